//! What the shared ledger asks of its server has bounds, and so has what a value that cannot be read or a server that stands still does to others.

use std::collections::HashMap;

use super::redis_server::RedisServer;
use super::*;
use crate::sessions::suite::settled;

/// How often the server ran each command since the last time.
async fn commands(ledger: &RedisLedger) -> HashMap<String, u64> {
    let mut connection = ledger.server_connection();
    let text: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .unwrap();
    redis::cmd("CONFIG")
        .arg("RESETSTAT")
        .exec_async(&mut connection)
        .await
        .unwrap();
    text.lines()
        .filter_map(|line| {
            let (name, said) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), said.split_once(',')?.0.parse().ok()?))
        })
        .collect()
}

/// Scripts that were run, and the commands in all of them.
async fn scripts_and_commands(ledger: &RedisLedger) -> (u64, u64) {
    let stats = commands(ledger).await;
    let of = |name: &str| stats.get(name).copied().unwrap_or_default();
    let others = [
        "evalsha",
        "eval",
        "script|load",
        "info",
        "config|resetstat",
        "ping",
    ];
    let guard = stats.iter().filter(|(name, _)| !others.contains(&&***name));
    (
        of("evalsha") + of("eval"),
        guard.map(|(_, calls)| calls).sum(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_does_more_for_a_caller_that_has_more() {
    const ALL: usize = 3_000;
    // More than each session in a page takes: its generation, its fields and their number, and a little.
    const EACH: u64 = 4;
    let one = alone();
    let (greedy, me) = (owner("greedy"), owner("me"));
    let turn = async |number: usize| {
        let entered = enter(&*one, &me, number, "1").await;
        one.leave(&me, &id(number), &entered, left(true));
        settled(&*one, &me, number, |in_flight| in_flight == 0).await;
    };
    turn(1).await;
    commands(&one).await;
    enter(&*one, &me, 2, "1").await;
    let (_, alone) = scripts_and_commands(&one).await;
    for some in (0..ALL).collect::<Vec<_>>().chunks(100) {
        let entering = some.iter().map(|n| enter(&*one, &greedy, *n, "1"));
        futures::future::join_all(entering).await;
    }
    commands(&one).await;
    enter(&*one, &me, 3, "1").await;
    enter(&*one, &greedy, ALL, "1").await;
    let (_, both) = scripts_and_commands(&one).await;
    assert!(both <= 2 * alone + 10, "{both} against {alone}");

    assert_eq!(list(&*one, &greedy).await.len(), ALL + 1);
    let page = PAGE as u64;
    for (what, found) in [
        ("a list", scripts_and_commands(&one).await),
        ("members", {
            assert!(members(&*one, "1").await.len() > ALL);
            scripts_and_commands(&one).await
        }),
    ] {
        let (scripts, commands) = found;
        assert!(scripts >= ALL as u64 / page, "{what}: {scripts} scripts");
        let most = scripts * (EACH * page + 10);
        assert!(
            commands <= most,
            "{what}: {commands} commands in {scripts} scripts"
        );
    }
    one.counts().await.unwrap();
    // A script that the server does not know yet is asked for twice.
    let (scripts, commands) = scripts_and_commands(&one).await;
    assert!(
        scripts <= 2 && commands <= 20,
        "{commands} commands in {scripts} scripts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_nobody_can_read_is_absent_and_nobody_elses_trouble() {
    let one = alone();
    let (me, other) = (owner("me"), owner("other"));
    for number in 0..8 {
        let entered = enter(&*one, &me, number, "1").await;
        one.leave(&me, &id(number), &entered, left(true));
        settled(&*one, &me, number, |in_flight| in_flight == 0).await;
    }
    enter(&*one, &other, 0, "1").await;
    let mut connection = one.server_connection();
    let session = |number| format!("{{agentcore}}:2:s:{}:0", id_of(&me, &id(number)));
    let generation = |number| format!("{{agentcore}}:2:c:{}", id_of(&me, &id(number)));
    let key = |name: &str| format!("{{agentcore}}:2:{name}");
    let group = group_key(&suite::group("1"));
    let stale: [&[u8]; 2] = [group.as_bytes(), b"yesterday"];
    let broken: [(&str, String, &[&[u8]]); 13] = [
        ("HSET", session(0), &[b"t0", b"soon"]),
        ("DEL", session(1), &[]),
        ("SET", session(1), &[b"text"]),
        ("SET", generation(2), &[b"-7.5e300"]),
        ("HSET", session(3), &[b"c", b"no id"]),
        ("HSET", session(4), &[b"su", b"\xff\xfe"]),
        ("HDEL", session(5), &[b"i"]),
        ("HSET", session(6), &[b"f:x", b"many"]),
        ("SET", key("w"), &[b"text"]),
        ("SET", key("serial"), &[b"text"]),
        (
            "ZADD",
            key("groups"),
            &[b"0", b"\xff", b"0", b"g/Pod/a/b/1", b"0", b"p/x"],
        ),
        ("HSET", key("stale"), &stale),
        ("ZADD", key("owners"), &[b"1", b"nobody"]),
    ];
    for (command, key, words) in broken {
        let mut command = redis::cmd(command);
        command.arg(key);
        for word in words {
            command.arg(*word);
        }
        command.exec_async(&mut connection).await.unwrap();
    }
    let mine: Vec<_> = list(&*one, &me).await;
    let there = |number| mine.iter().any(|record| record.conversation == id(number));
    assert!(there(7) && there(2), "{mine:?}");
    assert_eq!(mine.len(), 2, "{mine:?}");
    assert_eq!(list(&*one, &other).await.len(), 1);
    let counts = one.counts().await.unwrap();
    assert!(counts.iter().any(|(group, _)| *group == suite::group("1")));
    assert!(
        members(&*one, "1")
            .await
            .iter()
            .any(|member| member.owner == other)
    );
    let since = one.stale_since(&[suite::group("1")]).await.unwrap();
    assert_eq!(since, [None]);
    assert_eq!(one.judge(&[suite::group("1")], &[]).await.unwrap().len(), 1);
    for number in 0..8 {
        enter(&*one, &me, number, "1").await;
    }
    enter(&*one, &other, 1, "1").await;
    assert_eq!(list(&*one, &other).await.len(), 2);
    assert!(one.unreadable() >= 8, "{}", one.unreadable());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_a_server_that_stands_still_does_not_wait_for_it_afterwards() {
    let one = alone();
    let me = owner("me");
    enter(&*one, &me, 1, "1").await;
    commands(&one).await;
    one.server.freeze(true);
    for _ in 0..50 {
        let entry = suite::plain(birth("1"));
        assert!(one.ledger.enter(&me, &id(1), entry).await.is_err());
    }
    one.server.freeze(false);
    until("an answer", async || {
        one.ledger.find(&me, &id(1)).await.ok()
    })
    .await;
    let stats = commands(&one).await;
    // The first, which nobody could know to be in vain, and what tries again; not fifty.
    let asked = stats.get("evalsha").copied().unwrap_or_default();
    assert!(asked < 10, "{stats:?}");
    let entered = enter(&*one, &me, 1, "1").await;
    assert!(!entered.started, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_leaves_the_counts() {
    let server = RedisServer::start();
    let one = Alone {
        ledger: with_shares(&server, suite::small()),
        server,
    };
    let me = owner("me");
    for number in 0..10 {
        let entered = enter(&*one, &me, number, "1").await;
        one.leave(&me, &id(number), &entered, left(true));
        settled(&*one, &me, number, |in_flight| in_flight == 0).await;
    }
    let mut connection = one.server_connection();
    // As their time would.
    for number in 0..8 {
        for key in ["s", "c"] {
            let end = if key == "s" { ":0" } else { "" };
            let key = format!("{{agentcore}}:2:{key}:{}{end}", id_of(&me, &id(number)));
            redis::cmd("DEL")
                .arg(key)
                .exec_async(&mut connection)
                .await
                .unwrap();
        }
    }
    for number in 10..18 {
        enter(&*one, &me, number, "1").await;
    }
    assert_eq!(one.forgotten(), 0, "there was room");
    assert_eq!(list(&*one, &me).await.len(), 10);
    let owners: Vec<String> = redis::cmd("ZRANGE")
        .arg(&["{agentcore}:2:owners", "0", "-1"])
        .query_async(&mut connection)
        .await
        .unwrap();
    for owner in owners {
        redis::cmd("ZADD")
            .arg("{agentcore}:2:owners")
            .arg(1)
            .arg(owner)
            .exec_async(&mut connection)
            .await
            .unwrap();
    }
    let other = suite::owner("other");
    enter(&*one, &other, 1, "1").await;
    let left: u64 = redis::cmd("ZSCORE")
        .arg(&["{agentcore}:2:n", ""])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 1, "of an owner whose time is over nothing counts");
}
