//! Weir, the panel: one Worker over one D1 database. This file holds the entry points and nothing else.

mod bell;
mod bucket;
mod clock;
mod cron;
pub mod domain;
#[cfg(feature = "faults")]
mod faults;
mod http;
mod random;
pub mod route;
pub mod store;
mod views;

use worker::{Context, Env, Request, Response, ScheduleContext, ScheduledEvent, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    http::answer(request, env).await
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    cron::run(&event.cron(), &env).await;
}
