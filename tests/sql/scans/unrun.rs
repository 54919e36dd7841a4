//! Statements that no other test here runs: what they do is tested end to end. Each is looked at all the same.

use weir::store::backup::{Part, State};
use weir::store::census::{Census, Kept};
use weir::store::marzban_usage::{Of, Span};
use weir::store::users::{Action, User};
use weir::store::{
    Statement, admins, aliases, api_keys, audit, backup, bulk, census, channels, charts, day, devices, due, gates,
    jobs, marzban_list, marzban_usage, marzban_users, metrics, node_list, node_log, operators, overview, packages,
    parts, passkeys, plan_users, plans, quotas, restored, sessions, settings, slots, sources, summary, usage,
    user_templates, users, xpert_direct, xpert_settings,
};
use weir_wire::{Epoch, NodeId};

use crate::scene::{NOW, Scene};

const NODE: NodeId = NodeId(3);

/// All of them, asked about nobody: that changes nothing of how they are answered.
pub(crate) fn statements() -> Vec<Statement> {
    let scene = Scene::new();
    let user = scene.create("ann", &serde_json::json!({}));
    [of_users(&user), of_marzban(), of_nodes(), of_operators(), of_external(), of_jobs(&scene), of_pages()].concat()
}

fn of_users(user: &User) -> Vec<Statement> {
    let slot = slots::ByHandSlot { name: user.slot.clone(), sealed: String::new(), marks: Vec::new() };
    let reset: &Action<'_, serde_json::Value> = &Action::Reset;
    let mut all = vec![
        aliases::add(user.id, "alias", NOW),
        aliases::remove(user.id, Some("alias")),
        devices::one(user.id, "id"),
        gates::settle_all(&[user.id], NOW),
        gates::schedule_new("ann", NOW),
        packages::settle(&[user.id]),
        plan_users::wanted("basic"),
        quotas::roll(&[quotas::Roll(user.id, NOW, NOW, NOW)]),
    ];
    all.extend(slots::add_by_hand(&slot));
    all.extend(users::act_together(user, &[reset], 1, NOW));
    all.extend(plans::forget_next(&[user.id], NOW));
    all
}

fn of_marzban() -> Vec<Statement> {
    let span = Span { from: NOW, to: NOW };
    let names = ["shop".to_owned()];
    let used = [Of::User(1), Of::Admins(&names), Of::Owner(1), Of::All]
        .into_iter()
        .flat_map(|of| marzban_usage::used(of, span));
    let expired = |only| marzban_list::expired(marzban_list::Expired { after: NOW, before: NOW, only }, NOW);
    let mut all: Vec<Statement> = used.collect();
    all.extend([
        admins::describe("shop", None, None),
        expired(None),
        expired(Some(1)),
        marzban_list::deleted(&[(1, 1)], NOW),
        marzban_usage::nodes(),
        marzban_users::first_owner(),
        user_templates::by_id(1),
    ]);
    all
}

fn of_nodes() -> Vec<Statement> {
    let mut all = vec![
        charts::is_node(NODE),
        node_list::names(50, 1),
        node_list::readdress(NODE, "Wien", "vpn.example"),
        node_list::rotate(NODE, "hash", NOW),
        node_list::gone(NOW),
        node_list::forgotten(NODE, NOW),
        node_log::look(None, 0),
        node_log::look(Some(NODE), 0),
        usage::leave_node(NODE),
    ];
    all.extend(restored::begin(NODE, Epoch::from_random(5), 1, 1, 1, NOW));
    all.extend(restored::replayed(NODE, NOW));
    all.extend(restored::end(NOW));
    all
}

fn of_operators() -> Vec<Statement> {
    let key = api_keys::Listed {
        hash: "hash".into(),
        name: "shop".into(),
        scopes: String::new(),
        created_at: 0,
        expires_at: None,
        last_used_at: None,
    };
    vec![
        api_keys::all(),
        api_keys::create(&key),
        api_keys::delete("hash"),
        audit::link(1),
        operators::all(),
        operators::owned(),
        operators::set_password(1, "hash"),
        operators::forget_codes(1),
        passkeys::remove_all(1),
        sessions::end_all(1),
        sessions::forget(NOW),
    ]
}

fn of_external() -> Vec<Statement> {
    let mut all = vec![
        sources::hurry(None),
        sources::hurry(Some(1)),
        sources::next(),
        xpert_direct::all(),
        xpert_direct::page(0, 50),
        xpert_direct::present(&["trojan://a"]),
        xpert_settings::read(),
        xpert_settings::write("{}"),
    ];
    all.extend(xpert_direct::toggle_permanent(1));
    all.extend(xpert_direct::order(&[1]));
    all
}

fn of_jobs(scene: &Scene) -> Vec<Statement> {
    let part = Part { name: "users.00001".into(), rows: 1, bytes: 1, sha256: "hash".into() };
    let tables: Vec<parts::Table> = scene.sqlite.all(&parts::tables()).unwrap();
    let mut all = vec![
        backup::state(),
        backup::hold(NOW),
        backup::let_go(),
        backup::want(NOW),
        backup::moment(),
        bulk::finish(1, NOW),
        bulk::left(1, false),
        bulk::left(1, true),
        channels::one(1),
        channels::change(
            1,
            &channels::Fields {
                name: "",
                type_name: "",
                enabled: true,
                audience: "",
                rules: "",
                wants: "[]",
                target: "",
            },
        ),
        channels::wake(1),
        day::limited(),
        jobs::call("sweep", NOW),
        jobs::keep("sweep", None),
    ];
    all.extend(backup::begin(NOW));
    all.extend(backup::tidy(&tables.iter().collect::<Vec<_>>()));
    all.extend(backup::end(Some(NOW)));
    all.extend(backup::kept(Some(&part), &State::default()));
    all.extend(parts::audit_head(tables.iter()));
    let due = scene.due();
    all.extend(due::turn(&due.iter().collect::<Vec<_>>(), 1, NOW));
    all
}

fn of_pages() -> Vec<Statement> {
    let kept = Kept { at: NOW, counters: (1, 1), census: Census::default() };
    vec![
        census::write(None, &kept),
        charts::whole_since(),
        charts::periods(1, 50, 0),
        charts::count_periods(1),
        metrics::read(0),
        metrics::count(NOW),
        overview::directions(),
        overview::all_time(),
        overview::totals(),
        settings::of(["", "", "", "", "", "", ""]),
        summary::read(),
        summary::bytes(),
        summary::failed(),
    ]
}
