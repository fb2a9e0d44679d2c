//! Successful answers, before they become HTTP.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

/// What a control plane operation answers: its status and its JSON body, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status as the API model says (200, 201, 202, 204).
    pub status: StatusCode,
    /// The body; `Value::Null` for none.
    pub body: Value,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    /// 202: accepted, the work goes on.
    pub fn accepted(body: Value) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            body,
        }
    }

    /// 201 with a body.
    pub fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            body,
        }
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Value::Null,
        }
    }

    /// The HTTP answer with the given content type.
    pub fn into_response(self, content_type: &'static str) -> Response {
        let mut response = match self.body {
            Value::Null => Response::new(Body::empty()),
            body => {
                let mut response = Response::new(Body::from(body.to_string()));
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                response
            }
        };
        *response.status_mut() = self.status;
        response
    }
}

/// A point in time as `DateTimestamp` travels: ISO 8601, milliseconds, UTC.
pub fn iso8601(at: Timestamp) -> String {
    format!("{at:.3}")
}
