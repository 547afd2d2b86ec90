//! One request that the fast path did not answer: the service at work, its interim responses, then its reply.

use super::Terms;
use super::body::StreamBody;
use super::content::Content;
use super::message::interim_heads;
use super::sending::{BadReply, Sending, refuse};
use crate::head::Facts;
use crate::link::Link;
use crate::{Finished, Interim, Outcome, Refusal, Reply, Request, Service};
use bytes::Bytes;
use h2::server::SendResponse;
use http::Method;
use millpond_exchange::Body;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How long the end of a request is waited for where nothing says whether it has content, and where it should have none. Clients
/// that announce it behind the head do so at once, but not always in the same segment.
const EMPTY_CONTENT_WAIT: Duration = Duration::from_millis(100);

/// Bytes of interim heads passed on for one request: the windows do not bound them.
const INTERIM_BYTES: usize = 64 * 1024;

/// Runs [`Service::call`] and sends its reply. Dropped, or told by the client's reset, it drops the call.
pub(super) async fn call<S: Service>(
    terms: &Terms<'_, S>,
    mut request: Request,
    facts: Facts,
    mut content: Content,
    mut respond: SendResponse<Bytes>,
) {
    let received = request.received;
    if is_unclear(&request, &facts) && comes_empty(&mut content).await {
        request.body_length = Some(0);
    }
    let link = Link::new(true, false);
    let body = match request.body_length {
        Some(0) => Body::Empty,
        length => {
            let body = StreamBody::new(content, Arc::clone(&link), facts.expects_continue, terms.limits);
            Body::Stream { stream: Box::pin(body), length }
        }
    };
    let Some(reply) = answer(terms, request, body, &link, &mut respond).await else { return };
    match Sending::begin(terms, &mut respond, reply, &facts, received) {
        Ok(sending) => sending.send().await,
        Err(bad) => refuse_reply(terms, bad, &mut respond, facts.is_head),
    }
}

/// Content in such a request has no meaning (RFC 9110 sections 9.3.1 and 9.3.2), and takes it past every store.
pub(super) fn has_no_content_as_a_rule(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Neither the head nor what has come behind it says whether there is content.
fn is_unclear(request: &Request, facts: &Facts) -> bool {
    request.body_length.is_none() && has_no_content_as_a_rule(&request.head.method) && !facts.expects_continue
}

/// Waits for the first frame of the content, or its end, but not for long.
async fn comes_empty(content: &mut Content) -> bool {
    // A failure is told by whatever reads the content.
    let _ = tokio::time::timeout(EMPTY_CONTENT_WAIT, poll_fn(|cx| content.poll_first(cx))).await;
    content.is_over()
}

/// The service's reply, its interim responses passed on meanwhile; `None` when the client gave up.
async fn answer<S: Service>(
    terms: &Terms<'_, S>,
    request: Request,
    body: Body,
    link: &Arc<Link>,
    respond: &mut SendResponse<Bytes>,
) -> Option<Reply<S::Log>> {
    let mut call = pin!(terms.service.call(request, body, Interim::new(Arc::clone(link)), terms.info));
    let mut room = INTERIM_BYTES;
    poll_fn(|cx| {
        loop {
            link.awake();
            let polled = call.as_mut().poll(cx);
            if polled.is_ready() {
                link.close_interim();
            }
            pass_on(link, respond, &mut room);
            if let Poll::Ready(reply) = polled {
                return Poll::Ready(Some(reply));
            }
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            if link.sleep(cx) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Sends the interim responses that wait. Once there were too many they stay where they are, and the service is told so.
fn pass_on(link: &Link, respond: &mut SendResponse<Bytes>, room: &mut usize) {
    if *room == 0 {
        return;
    }
    let mut heads = Vec::new();
    link.take_interim(&mut heads);
    *room = room.saturating_sub(heads.len());
    for head in interim_heads(&heads) {
        if let Err(error) = respond.send_informational(head) {
            tracing::debug!(%error, "interim response not sent");
        }
    }
}

/// A reply that HTTP/2 cannot carry is the service's mistake.
pub(super) fn refuse_reply<S: Service>(
    terms: &Terms<'_, S>,
    BadReply(log): BadReply<S::Log>,
    respond: &mut SendResponse<Bytes>,
    is_head: bool,
) {
    let outcome = Outcome::not_sent(Refusal::BadReply.status());
    terms.service.finished(Finished { request: None, conn: terms.info, log, outcome });
    refuse(terms, respond, is_head, Refusal::BadReply);
}
