// A Rust program that uses the servers through the crate zookeeper-client, as programs in Rust do. It reads the names of
// steps, one a line, carries each out against the servers in its first argument and answers "ok" or "failed: why" in one
// line. "before" and "after" belong together: what is done to the servers between them must not be felt.

use std::error::Error as AnyError;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, Client, CreateMode, EnsembleUpdate, Error, EventType, LockPrefix, MultiReadResult,
    MultiWriteError, MultiWriteResult, OneshotWatcher, Permission, PersistentWatcher, SessionState, WatchedEvent,
};

type Outcome<T = ()> = Result<T, Box<dyn AnyError>>;

const WAIT: Duration = Duration::from_secs(20);
const SESSION: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(10);

const OPEN: Acls<'static> = Acls::anyone_all();

async fn open(servers: &str) -> Outcome<Client> {
    Ok(within(Client::connector().with_session_timeout(SESSION).connect(servers), "a session").await??)
}

async fn within<T>(what: impl Future<Output = T>, name: impl Display) -> Outcome<T> {
    timeout(WAIT, what).await.map_err(|_| format!("not within time: {name}").into())
}

fn check(fact: bool, otherwise: impl Debug) -> Outcome {
    if fact { Ok(()) } else { Err(format!("{otherwise:?}").into()) }
}

fn refused<T: Debug>(expected: Error, result: Result<T, Error>) -> Outcome {
    match result {
        Err(found) if found == expected => Ok(()),
        other => Err(format!("expected the error {expected:?}, got {other:?}").into()),
    }
}

/// The transaction that the event tells of must be the one that made it.
fn check_event(event: &WatchedEvent, kind: EventType, path: &str, zxid: Option<i64>) -> Outcome {
    check(
        event.event_type == kind && event.path == path && zxid.is_none_or(|zxid| event.zxid == zxid),
        format!("expected {kind} {path} {zxid:?}, got {event:?}"),
    )
}

async fn fired(watch: OneshotWatcher, kind: EventType, path: &str, zxid: Option<i64>) -> Outcome {
    let event = within(watch.changed(), format!("the event {kind} {path}")).await?;
    check_event(&event, kind, path, zxid)
}

async fn next(watch: &mut PersistentWatcher, kind: EventType, path: &str, zxid: Option<i64>) -> Outcome {
    let event = within(watch.changed(), format!("the event {kind} {path}")).await?;
    check_event(&event, kind, path, zxid)
}

async fn nodes(servers: &str) -> Outcome {
    let c = open(servers).await?;
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    let (stat, _) = c.create("/rust", b"one", &persistent).await?;
    check(stat.version == 0 && stat.data_length == 3 && stat.czxid == stat.mzxid && stat.czxid > 0, &stat)?;
    refused(Error::NodeExists, c.create("/rust", b"", &persistent).await)?;
    refused(Error::NoNode, c.create("/nope/x", b"", &persistent).await)?;
    let (data, read) = c.get_data("/rust").await?;
    check(data == b"one" && read == stat, (data, read))?;
    let stat = c.set_data("/rust", b"two", Some(0)).await?;
    check(stat.version == 1, &stat)?;
    refused(Error::BadVersion, c.set_data("/rust", b"", Some(0)).await)?;

    // What is asked for before the first answer has come is answered in its order.
    let sequential = CreateMode::PersistentSequential.with_acls(OPEN);
    let asked: Vec<_> = (0..3).map(|_| c.create("/rust/n-", b"", &sequential)).collect();
    for (i, answer) in asked.into_iter().enumerate() {
        let (_, number) = answer.await?;
        check(number.to_string() == format!("{i:010}"), number)?;
    }
    let ephemeral = CreateMode::EphemeralSequential.with_acls(OPEN);
    let (stat, number) = c.create("/rust/e-", b"", &ephemeral).await?;
    check(number.into_i64() == 3 && stat.ephemeral_owner == c.session_id().0, &stat)?;
    let ephemeral = format!("/rust/e-{number}");
    refused(Error::NoChildrenForEphemerals, c.create(&format!("{ephemeral}/x"), b"", &persistent).await)?;
    check(c.list_ephemerals("/rust").await? == [ephemeral], "another's ephemerals")?;
    refused(Error::NotEmpty, c.delete("/rust", None).await)?;
    let (mut names, stat) = c.get_children("/rust").await?;
    names.sort();
    check(names.len() == 4 && stat.num_children == 4 && stat.cversion == 4, (&names, stat))?;
    check(c.count_descendants_number("/rust").await? == 4, "the number of descendants")?;
    c.sync("/rust").await?;

    let mut reader = c.new_multi_reader();
    reader.add_get_data("/rust")?;
    reader.add_get_data("/nope")?;
    reader.add_get_children("/rust")?;
    match &reader.commit().await?[..] {
        [MultiReadResult::Data { data, .. }, MultiReadResult::Error { err: Error::NoNode },
         MultiReadResult::Children { children }] => check(data == b"two" && children.len() == 4, (data, children))?,
        other => check(false, other)?,
    }

    // A client whose connect string ends with a path sees the tree below it.
    let below = open(&format!("{servers}/rust")).await?;
    let mut seen = below.list_children("/").await?;
    seen.sort();
    check(seen == names, (seen, &names))?;
    for name in &names {
        below.delete(&format!("/{name}"), None).await?;
    }
    c.delete("/rust", Some(1)).await?;
    check(c.check_stat("/rust").await?.is_none(), "still there")
}

async fn kinds(servers: &str) -> Outcome {
    let c = open(servers).await?;
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    c.create("/box", b"", &CreateMode::Container.with_acls(OPEN)).await?;
    c.create("/box/in", b"", &persistent).await?;
    c.create("/short", b"", &persistent.clone().with_ttl(Duration::from_millis(100))).await?;
    let (stat, _) = c.create("/long", b"", &persistent.clone().with_ttl(Duration::from_secs(3600))).await?;
    check(stat.ephemeral_owner == 0, "a TTL node shows its mark")?;
    c.mkdir("/made/of/many", &persistent).await?;
    c.delete("/box/in", None).await?;
    for path in ["/box", "/short"] {
        let (stat, watch) = c.check_and_watch_stat(path).await?;
        if stat.is_some() {
            fired(watch, EventType::NodeDeleted, path, None).await?;
        }
    }
    for path in ["/long", "/made/of/many", "/made/of", "/made"] {
        c.delete(path, None).await?;
    }
    Ok(())
}

async fn multi(servers: &str) -> Outcome {
    let c = open(servers).await?;
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    let mut writer = c.new_multi_writer();
    writer.add_create("/multi", b"a", &persistent)?;
    writer.add_create("/multi/s-", b"", &CreateMode::PersistentSequential.with_acls(OPEN))?;
    writer.add_set_data("/multi", b"b", Some(0))?;
    writer.add_check_version("/multi", 1)?;
    writer.add_delete("/multi/s-0000000000", None)?;
    match &writer.commit().await?[..] {
        [MultiWriteResult::Create { .. }, MultiWriteResult::Create { path, stat: made }, MultiWriteResult::SetData { stat },
         MultiWriteResult::Check, MultiWriteResult::Delete] => check(
            path == "/multi/s-0000000000" && stat.version == 1 && made.czxid == stat.mzxid,
            (path, made, stat),
        )?,
        other => check(false, other)?,
    }
    writer.add_set_data("/multi", b"no", None)?;
    writer.add_delete("/nope", None)?;
    writer.add_check_version("/multi", 1)?;
    let failed = writer.commit().await;
    check(failed == Err(MultiWriteError::OperationFailed { index: 1, source: Error::NoNode }), failed)?;
    check(c.get_data("/multi").await?.0 == b"b", "half of a transaction")?;

    let mut guarded = c.new_check_writer("/multi", Some(7))?;
    guarded.add_delete("/multi", None)?;
    refused(Error::RuntimeInconsistent, guarded.commit().await.map_err(Error::from))?;
    c.delete("/multi", Some(1)).await?;
    Ok(())
}

async fn watches(servers: &str) -> Outcome {
    let (c, writer) = (open(servers).await?, open(servers).await?);
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    let (_, made) = c.check_and_watch_stat("/watched").await?;
    let (stat, _) = writer.create("/watched", b"", &persistent).await?;
    fired(made, EventType::NodeCreated, "/watched", Some(stat.czxid)).await?;
    c.sync("/").await?;
    let (_, _, changed) = c.get_and_watch_data("/watched").await?;
    let (_, _, children) = c.get_and_watch_children("/watched").await?;
    let (_, _, dropped) = c.get_and_watch_data("/watched").await?;
    drop(dropped); // one of two watchers of a path: the other still hears
    let (stat, _) = writer.create("/watched/x", b"", &persistent).await?;
    fired(children, EventType::NodeChildrenChanged, "/watched", Some(stat.czxid)).await?;
    let stat = writer.set_data("/watched", b"", None).await?;
    fired(changed, EventType::NodeDataChanged, "/watched", Some(stat.mzxid)).await?;
    let (_, _, deleted) = c.get_and_watch_data("/watched/x").await?;
    writer.delete("/watched/x", None).await?;
    fired(deleted, EventType::NodeDeleted, "/watched/x", None).await?;

    let mut one = c.watch("/watched", AddWatchMode::Persistent).await?;
    let mut all = c.watch("/watched", AddWatchMode::PersistentRecursive).await?;
    for round in 0..2 {
        let (stat, _) = writer.create("/watched/y", b"", &persistent).await?;
        next(&mut one, EventType::NodeChildrenChanged, "/watched", Some(stat.czxid)).await?;
        next(&mut all, EventType::NodeCreated, "/watched/y", Some(stat.czxid)).await?;
        let (stat, _) = writer.create("/watched/y/z", b"", &persistent).await?;
        next(&mut all, EventType::NodeCreated, "/watched/y/z", Some(stat.czxid)).await?;
        let stat = writer.set_data("/watched/y/z", b"1", Some(0)).await?;
        next(&mut all, EventType::NodeDataChanged, "/watched/y/z", Some(stat.mzxid)).await?;
        let stat = writer.set_data("/watched", b"1", Some(round + 1)).await?;
        next(&mut one, EventType::NodeDataChanged, "/watched", Some(stat.mzxid)).await?;
        next(&mut all, EventType::NodeDataChanged, "/watched", Some(stat.mzxid)).await?;
        writer.delete("/watched/y/z", None).await?;
        next(&mut all, EventType::NodeDeleted, "/watched/y/z", None).await?;
        writer.delete("/watched/y", None).await?;
        next(&mut all, EventType::NodeDeleted, "/watched/y", None).await?;
        next(&mut one, EventType::NodeChildrenChanged, "/watched", None).await?;
    }
    drop(one); // takes the watch off the server, and leaves the other
    let stat = writer.set_data("/watched", b"2", None).await?;
    next(&mut all, EventType::NodeDataChanged, "/watched", Some(stat.mzxid)).await?;
    writer.delete("/watched", None).await?;
    next(&mut all, EventType::NodeDeleted, "/watched", None).await
}

async fn acls(servers: &str) -> Outcome {
    let (ann, anyone) = (open(servers).await?, open(servers).await?);
    ann.auth("digest", b"ann:secret").await?;
    let users = ann.list_auth_users().await?;
    check(users.iter().any(|u| (u.scheme(), u.user()) == ("digest", "ann")), &users)?;
    // echo -n ann:secret | openssl sha1 -binary | base64
    let hers = Acl::new(Permission::ALL, AuthId::new("digest", "ann:7RJfAeIvrl4zdj6sS2fXrQHDvHM="));
    let only_hers = [hers.clone()];
    ann.create("/mine", b"x", &CreateMode::Persistent.with_acls(Acls::new(&only_hers))).await?;
    ann.create("/mine/too", b"", &CreateMode::Persistent.with_acls(Acls::creator_all())).await?;
    let (list, _) = ann.get_acl("/mine/too").await?;
    check(list == only_hers, list)?;
    anyone.sync("/").await?;
    let open_to_all = CreateMode::Persistent.with_acls(OPEN);
    refused(Error::NoAuth, anyone.get_data("/mine").await)?;
    refused(Error::NoAuth, anyone.create("/mine/x", b"", &open_to_all).await)?;
    refused(Error::NoAuth, anyone.delete("/mine/too", None).await)?;
    let odd = [Acl::new(Permission::READ, AuthId::new("nonsense", "x"))];
    refused(Error::InvalidAcl, anyone.create("/odd", b"", &CreateMode::Persistent.with_acls(Acls::new(&odd))).await)?;
    let both = [hers, Acl::new(Permission::READ, AuthId::anyone())];
    ann.set_acl("/mine", &both, Some(0)).await?;
    anyone.sync("/").await?;
    check(anyone.get_data("/mine").await?.0 == b"x", "other data")?;
    // Who names the secret when connecting may do the same.
    let again = Client::connector().with_session_timeout(SESSION).with_auth("digest", b"ann:secret");
    let again = within(again.connect(servers), "a session").await??;
    again.delete("/mine/too", None).await?;
    again.delete("/mine", None).await?;
    Ok(())
}

async fn locks(servers: &str) -> Outcome {
    let parents = CreateMode::Persistent.with_acls(OPEN);
    for i in 0..3 {
        let (one, other) = (open(servers).await?, open(servers).await?);
        let options = zookeeper_client::LockOptions::new(OPEN).with_ancestor_options(parents.clone())?;
        let prefix = LockPrefix::new_curator("/locks/rust", "lock-")?;
        let held = within(one.lock(prefix, b"one", options.clone()), "a free lock").await??;
        let path = held.lock_path().to_owned();
        let prefix = LockPrefix::new_curator("/locks/rust", "lock-")?;
        let waiting = other.lock(prefix, b"other", options);
        tokio::pin!(waiting);
        check(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), format!("round {i}: two hold {path}"))?;
        let (stat, _) = held.create("/locks/guarded", b"", &CreateMode::Ephemeral.with_acls(OPEN)).await?;
        check(stat.ephemeral_owner == one.session_id().0, &stat)?;
        drop(held);
        let held = within(&mut waiting, "the lock that was given back").await??;
        check(held.lock_path() != path, "the same lock")?;
    }
    Ok(())
}

async fn config(servers: &str) -> Outcome {
    let c = open(servers).await?;
    let update = EnsembleUpdate::New { ensemble: ["server.1=127.0.0.1:1:2;3"].into_iter() };
    refused(Error::ReconfigDisabled, c.update_ensemble(update, None).await)?;
    let (data, _) = c.get_config().await?;
    let (number, text) = (servers.split(',').count(), String::from_utf8(data)?);
    check(number == 1 || text.matches("server.").count() == number, text)
}

/// A session whose client ends without closing it goes on with the next client that knows its password.
async fn resumed(servers: &str) -> Outcome {
    let first = Client::connector().with_session_timeout(SESSION).with_detached();
    let first = within(first.connect(servers), "a session").await??;
    let id = first.session_id();
    first.create("/resumed", b"", &CreateMode::Ephemeral.with_acls(OPEN)).await?;
    let again = Client::connector().with_session_timeout(SESSION).with_session(first.into_session());
    let again = within(again.connect(servers), "the session again").await??;
    check(again.session_id() == id, "another session")?;
    again.sync("/resumed").await?;
    let (_, stat) = again.get_data("/resumed").await?;
    check(stat.ephemeral_owner == id.0, stat)?;

    // Closing it takes the ephemeral away, and nobody can resume it.
    let (watcher, session) = (open(servers).await?, again.session().clone());
    watcher.sync("/").await?;
    let (_, gone) = watcher.check_and_watch_stat("/resumed").await?;
    drop(again);
    fired(gone, EventType::NodeDeleted, "/resumed", None).await?;
    let late = within(Client::connector().with_session(session).connect(servers), "a refusal").await?;
    check(matches!(late, Err(Error::SessionExpired)), late.err())
}

/// What must not be felt.
struct Held {
    client: Client,
    data: OneshotWatcher,
    tree: PersistentWatcher,
}

async fn before(servers: &str) -> Outcome<Held> {
    let client = open(servers).await?;
    client.create("/held", b"", &CreateMode::Ephemeral.with_acls(OPEN)).await?;
    if client.check_stat("/data").await?.is_none() {
        client.create("/data", b"", &CreateMode::Persistent.with_acls(OPEN)).await?;
    }
    let (_, _, data) = client.get_and_watch_data("/data").await?;
    let tree = client.watch("/data", AddWatchMode::PersistentRecursive).await?;
    Ok(Held { client, data, tree })
}

async fn after(servers: &str, held: Option<Held>) -> Outcome {
    let Held { client, data, mut tree } = held.ok_or("nothing is held")?;
    let id = client.session_id();
    // Requests fail while there is no connection; one is made by and by.
    let deadline = Instant::now() + WAIT;
    let stat = loop {
        match client.set_data("/data", b"after", None).await {
            Ok(stat) => break stat,
            Err(Error::ConnectionLoss) if Instant::now() < deadline => sleep(RETRY).await,
            Err(why) => return Err(why.into()),
        }
    };
    check(client.session_id() == id && client.state() == SessionState::SyncConnected, client.state())?;
    fired(data, EventType::NodeDataChanged, "/data", Some(stat.mzxid)).await?;
    loop {
        // It tells of connections that were lost and made, too.
        let event = within(tree.changed(), "the event of the tree").await?;
        if event.event_type != EventType::Session {
            check_event(&event, EventType::NodeDataChanged, "/data", Some(stat.mzxid))?;
            break;
        }
    }
    let fresh = open(servers).await?;
    fresh.sync("/held").await?;
    let (_, stat) = fresh.get_data("/held").await?;
    check(stat.ephemeral_owner == id.0, "another's")?;
    client.delete("/held", None).await?;
    Ok(())
}

async fn step(name: &str, servers: &str, held: &mut Option<Held>) -> Outcome {
    match name {
        "nodes" => nodes(servers).await,
        "kinds" => kinds(servers).await,
        "multi" => multi(servers).await,
        "watches" => watches(servers).await,
        "acls" => acls(servers).await,
        "locks" => locks(servers).await,
        "config" => config(servers).await,
        "resumed" => resumed(servers).await,
        "before" => {
            *held = Some(before(servers).await?);
            Ok(())
        },
        "after" => after(servers, held.take()).await,
        other => Err(format!("no step {other}").into()),
    }
}

fn main() -> Outcome {
    let servers = std::env::args().nth(1).ok_or("the servers are missing")?;
    let runtime = Runtime::new()?;
    let mut held = None;
    for name in std::io::stdin().lock().lines() {
        let answer = match runtime.block_on(step(&name?, &servers, &mut held)) {
            Ok(()) => "ok".to_owned(),
            Err(why) => format!("failed: {why}").replace('\n', " "),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
