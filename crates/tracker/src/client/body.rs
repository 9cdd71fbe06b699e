//! Reading an answer's body within bounds.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::transport::connection_error;
use crate::MAX_ANSWER_LENGTH;
use crate::error::TrackerError;

const TOO_LONG: TrackerError = TrackerError::TooLong {
    limit: MAX_ANSWER_LENGTH,
};

/// The body, unpacked; at most [`MAX_ANSWER_LENGTH`] bytes before and after.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    silence: Duration,
) -> Result<Vec<u8>, TrackerError> {
    let packed = collect(body, silence).await?;
    match headers
        .get(CONTENT_ENCODING)
        .map(http::HeaderValue::as_bytes)
    {
        None | Some(b"" | b"identity") => Ok(packed),
        Some(b"gzip" | b"x-gzip") => unpack(&packed),
        Some(other) => {
            let name = crate::text::shown(other);
            Err(TrackerError::ContentEncoding(format!(
                "`{name}` was not asked for"
            )))
        }
    }
}

async fn collect(mut body: Incoming, silence: Duration) -> Result<Vec<u8>, TrackerError> {
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(silence, body.frame())
            .await
            .map_err(|_| TrackerError::Timeout(silence))?;
        let Some(frame) = frame else {
            return Ok(bytes);
        };
        let Ok(data) = frame.map_err(|error| connection_error(&error))?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > MAX_ANSWER_LENGTH {
            return Err(TOO_LONG);
        }
        bytes.extend_from_slice(&data);
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, TrackerError> {
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more.
    let mut decoder = MultiGzDecoder::new(packed).take(MAX_ANSWER_LENGTH as u64 + 1);
    decoder
        .read_to_end(&mut bytes)
        .map_err(|error| TrackerError::ContentEncoding(error.to_string()))?;
    if bytes.len() > MAX_ANSWER_LENGTH {
        return Err(TOO_LONG);
    }
    Ok(bytes)
}
