//! CloudWatch Logs: the events of a log group, page by page.

use agentcore_invoke::proxy::sdk_client;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::ProvideCredentials as _;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_cloudwatchlogs::operation::RequestId as _;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsError;

use crate::agents::plain;
use crate::context::causes;
use crate::error::Error;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// CloudWatch's id of it.
    pub id: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Name of the stream.
    pub stream: String,
    /// The text.
    pub message: String,
}

/// Some events, the oldest first, and where to go on.
#[derive(Debug)]
pub struct Page {
    /// They may be none, though there is a next page.
    pub events: Vec<Event>,
    /// Of the next page.
    pub next: Option<String>,
}

/// Why there is no page.
#[derive(Debug)]
pub enum Missing {
    /// There is no such group.
    Group,
    /// It may work in a moment.
    Passing(Error),
    /// It will not.
    Refused(Error),
}

/// One log group.
pub struct Group {
    client: Client,
    name: String,
}

impl Group {
    /// The group in a region, by the rules of the AWS SDKs. Credentials are looked for, nothing else is sent.
    pub async fn new(region: &str, name: String) -> Result<Self, Error> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(sdk_client())
            .load()
            .await;
        let none = |why: &str| {
            Error::Forbidden(format!(
                "no AWS credentials: {}; logs needs those of AWS, as aws sts get-caller-identity finds them",
                plain(why)
            ))
        };
        let provider = config
            .credentials_provider()
            .ok_or_else(|| none("the environment names no source of them"))?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| none(&causes(&error)))?;
        Ok(Self {
            client: Client::new(&config),
            name,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Events from a time on, in milliseconds since 1970.
    pub async fn page(&self, from: i64, next: Option<String>) -> Result<Page, Missing> {
        let request = self.client.filter_log_events();
        let request = request.log_group_name(&self.name).start_time(from);
        let answer = request.set_next_token(next).send().await;
        let answer = answer.map_err(|error| self.missing(&error))?;
        let events = answer.events.unwrap_or_default().into_iter();
        Ok(Page {
            events: events
                .map(|event| Event {
                    id: event.event_id.unwrap_or_default(),
                    at: event.timestamp.unwrap_or_default(),
                    stream: event.log_stream_name.unwrap_or_default(),
                    message: event.message.unwrap_or_default(),
                })
                .collect(),
            next: answer.next_token,
        })
    }

    fn missing(&self, error: &SdkError<FilterLogEventsError>) -> Missing {
        let Some(said) = error.as_service_error() else {
            let text = plain(&causes(error));
            let text = format!("CloudWatch Logs cannot be reached: {text}");
            return Missing::Passing(Error::Unreachable(text));
        };
        let code = said.code().unwrap_or("an error without a name");
        let request = error.request_id().unwrap_or("unknown");
        let message = plain(said.message().unwrap_or_default());
        let text = format!("CloudWatch Logs answers {code}: {message} (request {request})");
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        match code {
            "ResourceNotFoundException" => Missing::Group,
            "AccessDeniedException" => Missing::Refused(Error::Forbidden(format!(
                "{text}; it needs logs:FilterLogEvents on {}",
                self.name
            ))),
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "MissingAuthenticationTokenException" => Missing::Refused(Error::Forbidden(text)),
            "ThrottlingException" | "ServiceUnavailableException" => {
                Missing::Passing(Error::Unreachable(text))
            }
            _ if status.is_some_and(|status| status >= 500) => {
                Missing::Passing(Error::Unreachable(text))
            }
            _ => Missing::Refused(Error::Failed(text)),
        }
    }
}
