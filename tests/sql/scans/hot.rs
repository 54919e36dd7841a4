//! The paths that everybody's clients, nodes and programs take all day, with their statements as the panel makes them.

use weir::domain::history::{Range, Span};
use weir::store::epochs::{Guard, Sums};
use weir::store::sessions::From;
use weir::store::sign_ins::{Bucket, Counts};
use weir::store::usage::Landing;
use weir::store::user_list::{self, Order};
use weir::store::users::{Action, User};
use weir::store::xpert_reports::{self, Entry};
use weir::store::{
    Statement, addresses, aliases, api_keys, audit, charts, devices, due, epochs, events, fetch_log, gates, history,
    holds, jobs, marzban_list, marzban_users, nodes, operators, overview, passkeys, plans, sessions, settings,
    sign_ins, slots, sweep, usage, user_page, users,
};
use weir_wire::grant::{COEFFICIENT_ONE, Rules};
use weir_wire::roster::RosterVersion;
use weir_wire::{Bytes, Epoch, NodeId, Second};

use crate::scene::{NOW, Scene, message, seen};

const NODE: NodeId = NodeId(3);

/// A path and what it asks of the database.
pub(crate) type Path = (&'static str, Vec<Statement>);

/// Every hot path. What a statement is asked about changes nothing of how it is answered, so most are asked about nobody.
pub(crate) fn paths(scene: &Scene) -> Vec<Path> {
    let user = scene.create("ann", &serde_json::json!({ "monthly_quota": 100 }));
    [agents(&user), subscriptions(&user), programs(&user), people(), users_of_faces(&user), by_the_clock(scene)]
        .concat()
}

fn agents(user: &User) -> Vec<Path> {
    let epoch = Epoch::from_random(5);
    let guard = Guard { node: NODE, epoch, last_seq: 0 };
    let seen = seen(NOW);
    let version = RosterVersion { number: 1, salt: 0 };
    let every_landing = [Landing::Current, Landing::Roll, Landing::Late].map(|landing| {
        let key = usage::entry_key(NODE, epoch, &user.slot);
        usage::apply(
            &[usage::Charge(user.id, key, Bytes::ZERO, 0, landing, NOW, NOW, false, false)],
            &guard,
            COEFFICIENT_ONE,
            NOW,
        )
    });
    let reporting = [
        slots::find(&[&user.slot]),
        holds::begin(&[user.id], &guard, NOW),
        usage::open_late(&[], &guard, NOW),
        usage::apply_late(&[], &guard, NOW),
        history::add(&[], &guard, NOW),
        slots::retire_vacant(&[], &guard),
        slots::decide(&[], &guard, NOW),
        slots::number_change(1),
        gates::schedule(&[user.id], NOW),
        events::warn(&[], &guard, NOW),
        epochs::note(&guard, NOW, "gap", ""),
        epochs::note_lost(&guard, NOW, epoch, 1),
        epochs::advance(&message(1, NOW), &guard, NOW, Sums::default(), &seen),
    ];
    let telling = addresses::tell(NODE, &[], NOW);
    let noting = addresses::note(&[], NOW, Some(NOW), NOW);
    vec![
        (
            "a node's sync without a report, and its doorbell",
            vec![
                epochs::key("hash"),
                epochs::authenticate("key", epoch, true, 1),
                epochs::see(NODE, epoch, &seen),
                settings::read("grants"),
                nodes::set_inbounds(NODE, "[]"),
            ],
        ),
        ("a report", reporting.into_iter().chain(every_landing).collect()),
        (
            "asks of a node for limits, and grants that are called back",
            vec![
                usage::ask(&[], 1, COEFFICIENT_ONE, Rules::default(), NOW),
                usage::free_idle(&[user.id], NOW),
                slots::touch(&[]),
            ],
        ),
        ("addresses of a sync", [telling.to_vec(), noting, gates::suspend(&[user.id], NOW, 1, NOW)].concat()),
        (
            "pages of the roster",
            vec![slots::changed_since(version), slots::page_after(None), slots::page_after(Some(&user.slot))],
        ),
        ("the look for who enrols", vec![nodes::by_token("hash")]),
    ]
}

fn subscriptions(user: &User) -> Vec<Path> {
    let told = devices::Told { id: "id", os: "", os_version: "", model: "", client: "" };
    let fetch = serde_json::from_value(serde_json::json!(["sing-box", "sing-box", NOW.get()])).unwrap();
    let last_days = Range { by: Span::Day, from: NOW, to: NOW };
    vec![
        (
            "a fetch of a subscription",
            vec![
                fetch_log::open(user.id, true, NOW),
                fetch_log::open_by_name("ann", true, NOW),
                fetch_log::open_by_alias("alias", true, NOW),
                fetch_log::list(user.id, true, NOW),
                fetch_log::list_by_alias("alias", true, NOW),
                fetch_log::note(user.id, &fetch, NOW),
                fetch_log::newest(user.id, NOW),
            ],
        ),
        ("a device that fetches", vec![devices::enter(user.id, &told, 3, NOW), devices::again(user.id, &told, NOW)]),
        ("the page behind a user's link", charts::read(charts::Whose::User(user.id, None), false, last_days)),
        ("aliases of a link", vec![aliases::of_user(user.id), aliases::holder("alias")]),
    ]
}

fn programs(user: &User) -> Vec<Path> {
    let (up, down) = (Bytes::saturating(1), Bytes::ZERO);
    let report = |is_charged, key| Entry {
        user: user.id,
        server: "a.example",
        port: 443,
        protocol: "vless",
        up,
        down,
        is_trusted: false,
        is_charged,
        key,
    };
    let reports = [(false, ""), (false, "key"), (true, ""), (true, "key")];
    let mut webhook: Vec<Statement> = reports
        .into_iter()
        .flat_map(|(is_charged, key)| xpert_reports::record(&report(is_charged, key), NOW))
        .collect();
    webhook.extend([
        xpert_reports::by_token(1, 1),
        xpert_reports::by_alias("alias"),
        xpert_reports::charged(user.id, NOW),
        events::warn_now(&[(user.id, 80)], NOW),
        due::ended(user.id, NOW),
        gates::settle_moved(&[user.id], NOW),
        gates::schedule(&[user.id], NOW),
    ]);
    webhook.extend(holds::begin_now(user.id, NOW));
    vec![
        ("a report to the webhook", webhook),
        ("an API key", vec![api_keys::find("hash"), api_keys::used("hash", NOW)]),
    ]
}

fn people() -> Vec<Path> {
    let from = From { address: None, user_agent: "" };
    let attempt = sign_ins::attempt_from((Bucket::Address(1), Counts::Fails), (Bucket::Name(1), Counts::Fails), NOW);
    let sign_in = [
        sign_ins::find("ann"),
        sign_ins::attempt(Bucket::Name(1), NOW),
        sign_ins::last(Bucket::Name(1)),
        sign_ins::forgive(Bucket::Name(1)),
        operators::enter(1, "ann", "hash", NOW),
        operators::signed_in(1, NOW),
        operators::take(1, 1),
        operators::has_code(1, "hash"),
        operators::spend_code(1, "hash"),
        sessions::open("hash", 1, from, NOW, 1),
        sessions::open_entered("hash", 1, from, NOW, 1),
        sessions::end("hash"),
    ];
    let passkey =
        [passkeys::find("id"), passkeys::used("id", 1, NOW), passkeys::answered("hash"), passkeys::is_known("id")];
    vec![
        ("a session, also the one of a token of Marzban's API", vec![sessions::find("hash")]),
        ("a sign-in", sign_in.into_iter().chain(attempt).collect()),
        ("a sign-in with a passkey", passkey.into_iter().chain(passkeys::answer("hash", NOW, NOW)).collect()),
        ("the log of what was done", vec![audit::head()]),
    ]
}

fn users_of_faces(user: &User) -> Vec<Path> {
    let in_order_of = |order| user_list::Query { order, limit: 50, offset: 100, ..user_list::Query::default() };
    let lists = [Order::Name, Order::NameDown].map(|order| user_list::list(&in_order_of(order), NOW));
    let sorted = |key, down| marzban_list::Query {
        sort: vec![marzban_list::Sort { key, down }],
        limit: Some(50),
        offset: 100,
        ..marzban_list::Query::default()
    };
    let marzban = [false, true].map(|down| marzban_list::list(&sorted(marzban_list::Key::Username, down), NOW));
    let range = Range { by: Span::Day, from: NOW, to: NOW };
    let deeds = [Action::Enable, Action::Disable, Action::Reset, Action::Revoke, Action::Credentials(None)];
    let changes = serde_json::json!({ "monthly_quota": 1, "note": "" });
    let change = users::act(user, &Action::Change(&changes, Some(NOW)), 1, NOW);
    let deeds = deeds.iter().flat_map(|deed: &Action<'_, serde_json::Value>| users::act(user, deed, 1, NOW));
    let period = (Second::clamped(0), NOW);
    vec![
        (
            "users in the order of names",
            lists.into_iter().chain([user_list::count(&in_order_of(Order::Name), NOW)]).collect(),
        ),
        (
            "Marzban's list of users in the order of names",
            marzban.into_iter().chain([marzban_users::endpoints()]).collect(),
        ),
        ("Marzban's user", vec![marzban_users::by_name("ann", NOW), marzban_users::by_numbers(&[1], NOW)]),
        (
            "one user's page",
            user_page::usage(user.id, range)
                .into_iter()
                .chain([user_page::packages(user.id), user_page::devices(user.id), user_page::names(&[1])])
                .chain([overview::older(user.id, 1), overview::newer(user.id, 1), addresses::of_user(user.id, NOW)])
                .chain([users::by_id(user.id), users::by_name("ann")])
                .collect(),
        ),
        ("a new user", users::create(&changes, "bob", None, (period.0, period.1), 1, NOW)),
        (
            "what a person does to a user",
            change.into_iter().chain(deeds).chain(users::delete(user.id, 1, NOW)).collect(),
        ),
    ]
}

fn by_the_clock(scene: &Scene) -> Vec<Path> {
    scene.wait(90 * 86_400);
    let due = scene.due();
    let plans: Vec<plans::Plan> = scene.sqlite.all(&plans::all()).unwrap();
    vec![
        ("the look for jobs that are due", vec![jobs::due(NOW)]),
        (
            "the sweep of users who are due",
            [vec![due::due(NOW, 100), due::next()], sweep::chunk(&due, &plans, 1, scene.now.get())].concat(),
        ),
    ]
}
