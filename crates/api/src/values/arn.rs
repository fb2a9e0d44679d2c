//! ARNs of anything.

/// A text that AWS wrote as an ARN: `arn:partition:service:region:account:resource`.
///
/// A part that is not there, or is empty, reads as none; so does every part of what does not begin with `arn:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a>(pub &'a str);

impl<'a> Arn<'a> {
    /// The six parts, of which the first is `arn`; none if there are fewer.
    pub fn parts(self) -> Option<[&'a str; 6]> {
        let parts: Vec<&str> = self.0.splitn(6, ':').collect();
        let parts: [&str; 6] = parts.try_into().ok()?;
        (parts[0] == "arn").then_some(parts)
    }

    /// Partition, such as `aws` or `aws-cn`.
    pub fn partition(self) -> Option<&'a str> {
        self.part(1)
    }

    /// Region.
    pub fn region(self) -> Option<&'a str> {
        self.part(3)
    }

    /// Account, 12 digits.
    pub fn account(self) -> Option<&'a str> {
        self.part(4)
    }

    /// What is behind the account, colons included.
    pub fn resource(self) -> Option<&'a str> {
        self.part(5)
    }

    /// The id in a runtime's ARN, or in that of one of its endpoints.
    pub fn runtime_id(self) -> Option<&'a str> {
        let id = self.resource()?.strip_prefix("runtime/")?;
        id.split(['/', ':']).next().filter(|id| !id.is_empty())
    }

    fn part(self, place: usize) -> Option<&'a str> {
        let mut parts = self.0.splitn(6, ':');
        parts.next().filter(|arn| *arn == "arn")?;
        parts.nth(place - 1).filter(|part| !part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_arn_lacks_reads_as_none() {
        let endpoint = Arn(
            "arn:aws-cn:bedrock-agentcore:cn-north-1:111122223333:runtime/a-0123456789/runtime-endpoint/live",
        );
        assert_eq!(endpoint.partition(), Some("aws-cn"));
        assert_eq!(endpoint.region(), Some("cn-north-1"));
        assert_eq!(endpoint.account(), Some("111122223333"));
        assert_eq!(endpoint.runtime_id(), Some("a-0123456789"));
        let secret = Arn("arn:aws:secretsmanager:us-east-1:111122223333:secret:issuer");
        assert_eq!(secret.resource(), Some("secret:issuer"));
        assert_eq!(secret.runtime_id(), None);
        let bucket = Arn("arn:aws:s3:::bucket");
        assert_eq!((bucket.region(), bucket.account()), (None, None));
        assert_eq!(bucket.parts(), Some(["arn", "aws", "s3", "", "", "bucket"]));
        assert_eq!(Arn("arn:aws:s3").parts(), None);
        assert_eq!(Arn("arn:aws:s3").partition(), Some("aws"));
        for none in ["", "aws", "urn:aws:s3:::bucket"] {
            assert_eq!(
                (Arn(none).partition(), Arn(none).parts()),
                (None, None),
                "{none}"
            );
        }
        let nameless = Arn("arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/");
        assert_eq!(nameless.runtime_id(), None);
    }
}
