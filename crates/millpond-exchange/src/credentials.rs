//! Credentials beside those that RFC 9110 and RFC 6265 know.

/// Request fields that name a user as Authorization and Cookie do, by widespread convention: keys and tokens of APIs. What a response
/// to them is may be that user's alone, and what they say is a secret. In lower case; each ends in `key` or `token`.
pub const CREDENTIAL_FIELDS: [&str; 24] = [
    "api-key",
    "apikey",
    "dd-api-key",
    "dd-application-key",
    "deploy-token",
    "job-token",
    "ocp-apim-subscription-key",
    "private-token",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-apikey",
    "x-auth-key",
    "x-auth-token",
    "x-functions-key",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-rapidapi-key",
    "x-session-token",
    "x-shopify-access-token",
    "x-user-token",
    "x-vault-token",
];
