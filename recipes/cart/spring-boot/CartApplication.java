package shop.cart;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.jackson.Jackson2ObjectMapperBuilderCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/** The cart service as a Spring Boot application. {@link CartController} is where to begin. */
@SpringBootApplication
class CartApplication {
    /** The longest JSON that is read, in bytes. An honest request has fifty. */
    private static final int LONGEST = 16 << 10;

    public static void main(String[] arguments) {
        SpringApplication.run(CartApplication.class, arguments);
    }

    /** Who sends the request is known before its body is read. */
    @Bean
    WebMvcConfigurer tokensFirst(Tokens tokens) {
        return new WebMvcConfigurer() {
            @Override
            public void addInterceptors(InterceptorRegistry registry) {
                registry.addInterceptor(tokens);
            }
        };
    }

    @Bean
    Jackson2ObjectMapperBuilderCustomizer shortDocuments() {
        StreamReadConstraints limits = StreamReadConstraints.builder().maxDocumentLength(LONGEST).build();
        return builder -> builder.factory(JsonFactory.builder().streamReadConstraints(limits).build());
    }
}
