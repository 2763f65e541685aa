#![expect(
    clippy::disallowed_methods,
    reason = "stops that come from threads which are no workers are what many of these tests are about"
)]
#![expect(
    clippy::async_yields_async,
    reason = "handles that leave their task or scope unawaited are what many of these tests are about"
)]
//! The rules of gentle stop, G1 to G12, and the scopes, as they look from outside. Each test of a rule begins with its number.

#[path = "../../../tests/watchdog/mod.rs"]
mod watchdog;

mod block_scopes;
mod cascade;
mod deadlines;
mod ending;
mod grace;
mod idle;
mod leaves;
mod level;
mod scopes;
mod state;
mod support;
