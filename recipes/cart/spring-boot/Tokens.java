package shop.cart;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.ECPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.text.ParseException;
import java.util.Base64;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.regex.Pattern;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Component;
import org.springframework.web.servlet.HandlerInterceptor;

/** Whose cart is it? The bearer token says, and its signature proves it (RFC 6750, RFC 7519). */
@Component
class Tokens implements HandlerInterceptor {
    private static final String ISSUER = "https://auth.myshop.com";
    private static final String AUDIENCE = "api.myshop.com";
    /** It becomes part of a Redis key and of responses. */
    private static final Pattern CUSTOMER = Pattern.compile("[A-Za-z0-9_-]{1,64}");

    private final JWSVerifier verifier;

    Tokens(@Value("${jwt.public.key}") Path file) throws IOException, GeneralSecurityException, JOSEException {
        String base64 = Files.readString(file).replaceAll("-----[A-Z ]+-----|\\s", "");
        X509EncodedKeySpec encoded = new X509EncodedKeySpec(Base64.getDecoder().decode(base64));
        verifier = new ECDSAVerifier((ECPublicKey) KeyFactory.getInstance("EC").generatePublic(encoded));
    }

    /** Runs before the body is read: a stranger's is not. */
    @Override
    public boolean preHandle(HttpServletRequest request, HttpServletResponse response, Object handler) {
        request.setAttribute("customer", customer(Collections.list(request.getHeaders(HttpHeaders.AUTHORIZATION))));
        return true;
    }

    private String customer(List<String> given) {
        if (given.isEmpty()) {
            throw unauthorized("no-token", "send the header Authorization: Bearer <token>", "");
        }
        // The scheme's case does not matter (RFC 9110 §11.1).
        if (given.size() > 1 || !given.get(0).regionMatches(true, 0, "Bearer ", 0, 7)) {
            throw invalid("the header Authorization must be, once, Bearer <token>");
        }
        try {
            // A token that says alg none is not signed, and is no SignedJWT.
            SignedJWT token = SignedJWT.parse(given.get(0).substring(7).trim());
            // The algorithm is ours to choose, never the token's (RFC 8725 §3.1).
            if (!JWSAlgorithm.ES256.equals(token.getHeader().getAlgorithm())) {
                throw invalid("the token must be signed with ES256");
            }
            // RFC 7515 §4.1.11: whoever does not understand all that is listed must refuse.
            if (token.getHeader().getCriticalParams() != null) {
                throw invalid("the token's crit names extensions, and this service understands none: leave crit out");
            }
            if (!token.verify(verifier)) {
                throw invalid("the token's signature is not the issuer's");
            }
            // The library takes a number for a text.
            if (token.getPayload().toJSONObject().get("sub") instanceof Number) {
                throw invalid("the token's sub must be a text");
            }
            return subject(token.getJWTClaimsSet());
        } catch (ParseException | JOSEException none) {
            throw invalid("the token is not a JWT that this service understands; it must be signed with ES256");
        }
    }

    /** Issuer and verifier share one clock here, so an expired token gets no extra minute. */
    private static String subject(JWTClaimsSet claims) {
        Date now = new Date();
        if (claims.getExpirationTime() == null || claims.getSubject() == null) {
            throw invalid("the token needs the claims exp, iss, aud and sub");
        } else if (!claims.getExpirationTime().after(now)) {
            throw invalid("the token has expired: get a new one");
        } else if (claims.getNotBeforeTime() != null && claims.getNotBeforeTime().after(now)) {
            throw invalid("the token is not valid yet (nbf)");
        } else if (!ISSUER.equals(claims.getIssuer())) {
            throw invalid("the token's iss must be " + ISSUER);
        } else if (!claims.getAudience().contains(AUDIENCE)) {
            throw invalid("the token's aud must be " + AUDIENCE);
        } else if (!CUSTOMER.matcher(claims.getSubject()).matches()) {
            throw invalid("sub must be 1 to 64 letters, digits, - or _");
        }
        return claims.getSubject();
    }

    private static Problem invalid(String detail) {
        return unauthorized(
                "invalid-token", detail, ", error=\"invalid_token\", error_description=\"" + detail + "\"");
    }

    /** Who sent nothing is told the scheme, not that a token is invalid (RFC 6750 §3.1). */
    private static Problem unauthorized(String kind, String detail, String error) {
        return Problem.client(HttpStatus.UNAUTHORIZED, kind, HttpHeaders.AUTHORIZATION, detail)
                .header(HttpHeaders.WWW_AUTHENTICATE, "Bearer realm=\"" + AUDIENCE + "\"" + error);
    }
}
