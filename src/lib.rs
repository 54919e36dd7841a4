//! Weir, the panel: one Worker over one D1 database. This file holds the entry points and nothing else.

mod bell;
mod bucket;
mod clock;
mod cron;
pub mod domain;
#[cfg(feature = "faults")]
mod faults;
mod http;
mod notify;
mod random;
pub mod route;
mod spending;
pub mod store;
mod views;

pub use http::marzban::bodies as marzban_bodies;
use worker::{Context, Env, Request, Response, ScheduleContext, ScheduledEvent, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let response = http::answer(request, env.clone()).await;
    spending::tell_after(&env, &context);
    response
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    cron::run(&event.cron(), &env).await;
    spending::tell_now(&env).await;
}
