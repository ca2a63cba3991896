package shop.cart;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonMappingException;
import java.net.URI;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.dao.DataAccessException;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.http.converter.HttpMessageNotReadableException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.context.request.WebRequest;
import org.springframework.web.servlet.mvc.method.annotation.ResponseEntityExceptionHandler;

/** Every error as problem JSON that names this pod, and whose fault it is. */
@RestControllerAdvice
class Problems extends ResponseEntityExceptionHandler {
    private final String pod;

    Problems(@Value("${otel.service.name:cart}") String pod) {
        this.pod = pod;
    }

    /** The document of a problem, as the client gets it who asked for this path. */
    ProblemDetail of(Problem problem, String path) {
        problem.getBody().setInstance(URI.create(path));
        problem.getBody().setProperty("hop", pod);
        return problem.getBody();
    }

    @ExceptionHandler
    ResponseEntity<Object> redis(DataAccessException failure, WebRequest request) {
        Throwable cause = NestedExceptionUtils.getMostSpecificCause(failure);
        Problem problem = Problem.upstream("redis-unavailable", "ask Redis: " + cause.getMessage()
                + ". Whether something was changed is not confirmed: look (GET /cart) before you try again");
        return createResponseEntity(problem.getBody(), problem.getHeaders(), problem.getStatusCode(), request);
    }

    /** The body is no JSON (400), too long (413), or makes no sense (422, RFC 9110 §15.5.21). */
    @Override
    protected ResponseEntity<Object> handleHttpMessageNotReadable(
            HttpMessageNotReadableException failure, HttpHeaders headers, HttpStatusCode status, WebRequest request) {
        Throwable cause = failure.getMostSpecificCause();
        Problem problem;
        if (cause == failure) {
            problem = Problem.client(HttpStatus.BAD_REQUEST, "malformed-json", null, "there is no body");
        } else if (cause instanceof StreamConstraintsException) {
            problem = Problem.client(HttpStatus.PAYLOAD_TOO_LARGE, "body-too-large", null, cause.getMessage())
                    .header(HttpHeaders.CONNECTION, "close");
        } else if (cause instanceof InputCoercionException) {
            problem = CartController.AddItemRequest.invalid("quantity", "is no whole number from 1 to 99");
        } else if (cause instanceof JsonMappingException wrong && !wrong.getPath().isEmpty()) {
            String field = wrong.getPath().get(0).getFieldName();
            problem = CartController.AddItemRequest.invalid(field, "has a wrong type");
        } else if (cause instanceof JsonMappingException) {
            problem = Problem.client(HttpStatus.UNPROCESSABLE_ENTITY, "invalid-body", null,
                    "the body must be a JSON object such as {\"productId\":\"PROD-123\",\"quantity\":1}");
        } else {
            problem = Problem.client(HttpStatus.BAD_REQUEST, "malformed-json", null,
                    "the body is not JSON: " + where(cause));
        }
        return createResponseEntity(problem.getBody(), problem.getHeaders(), problem.getStatusCode(), request);
    }

    private static String where(Throwable cause) {
        if (!(cause instanceof JsonProcessingException json) || json.getLocation() == null) {
            return cause.getMessage();
        }
        var at = json.getLocation();
        return json.getOriginalMessage().lines().findFirst().orElse("") + " at line " + at.getLineNr() + " column "
                + at.getColumnNr();
    }

    /** What Spring refuses by itself (404, 405, 415, …) is said in the same form. */
    @Override
    protected ResponseEntity<Object> createResponseEntity(
            Object body, HttpHeaders headers, HttpStatusCode status, WebRequest request) {
        if (body instanceof ProblemDetail problem) {
            problem.setProperty("hop", pod);
            if (problem.getProperties().get("fault") == null) {
                problem.setProperty("fault", status.is4xxClientError() ? "client" : "ours");
            }
        }
        return super.createResponseEntity(body, headers, status, request);
    }
}
