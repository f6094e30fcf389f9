// A Node program that uses the servers through node-zookeeper-client. It reads the names of steps, one a line, carries each
// out against the servers in its first argument and answers "ok" or "failed: why" in one line. "before" and "after" belong
// together: what is done to the servers between them must not be felt.
"use strict";

const { promisify } = require("util");
const readline = require("readline");
const zookeeper = require("node-zookeeper-client");

const { ACL, CreateMode, Event, Exception, Id, Permission } = zookeeper;
const WAIT_MS = 20000;
const hosts = process.argv[2];

// The client with functions that return promises.
function open() {
  const client = zookeeper.createClient(hosts, { sessionTimeout: 10000, spinDelay: 50, retries: 200 });
  const made = { client, close: () => client.close() };
  for (const name of ["create", "remove", "setData", "getData", "setACL", "getACL", "exists", "getChildren", "mkdirp"])
    made[name] = promisify(client[name].bind(client));
  made.children = (path) => new Promise((resolve, reject) =>
    client.getChildren(path, (error, names, stat) => error ? reject(error) : resolve({ names, stat })));
  made.data = (path) => new Promise((resolve, reject) =>
    client.getData(path, (error, data, stat) => error ? reject(error) : resolve({ data: data && data.toString(), stat })));
  const connected = new Promise((resolve, reject) => {
    client.once("connected", resolve);
    setTimeout(() => reject(new Error("no connection")), WAIT_MS).unref();
  });
  client.connect();
  return connected.then(() => made);
}

function check(fact, otherwise) {
  if (!fact)
    throw new Error(otherwise);
}

async function refused(code, promise) {
  try {
    await promise;
  } catch (e) {
    check(e.getCode && e.getCode() === code, "expected " + code + ", got " + e);
    return;
  }
  throw new Error("not refused with " + code);
}

// A watcher, and a promise of what it is told first.
function told() {
  let resolve;
  const event = new Promise((r, reject) => {
    resolve = r;
    setTimeout(() => reject(new Error("no event")), WAIT_MS).unref();
  });
  return { watcher: (e) => resolve(e.getType() + " " + e.getPath()), event };
}

async function expect(watch, type, path) {
  const found = await watch.event;
  check(found === type + " " + path, "expected " + type + " " + path + ", got " + found);
}

const steps = {
  async nodes() {
    const c = await open();
    check(await c.create("/js", Buffer.from("one")) === "/js", "another path");
    await refused(Exception.NODE_EXISTS, c.create("/js"));
    await refused(Exception.NO_NODE, c.create("/nope/x"));
    let { data, stat } = await c.data("/js");
    check(data === "one" && stat.version === 0 && stat.dataLength === 3, "data");
    stat = await c.setData("/js", Buffer.from("two"), 0);
    check(stat.version === 1, "version");
    await refused(Exception.BAD_VERSION, c.setData("/js", Buffer.from("x"), 0));
    for (let i = 0; i < 3; i++)
      check(await c.create("/js/n-", Buffer.from(""), CreateMode.PERSISTENT_SEQUENTIAL) === "/js/n-000000000" + i, "sequence");
    await c.create("/js/gone", CreateMode.EPHEMERAL);
    await refused(Exception.NO_CHILDREN_FOR_EPHEMERALS, c.create("/js/gone/x"));
    await refused(Exception.NOT_EMPTY, c.remove("/js", -1));
    const { names, stat: parent } = await c.children("/js");
    check(names.length === 4 && parent.numChildren === 4 && parent.cversion === 4, "children");
    for (const name of names)
      await c.remove("/js/" + name, -1);
    await c.remove("/js", 1);
    check(await c.exists("/js") === null, "still there");
    await c.mkdirp("/js/a/b/c");
    c.close();
  },

  async transactions() {
    const c = await open();
    const commit = (t) => new Promise((resolve, reject) =>
      t.commit((error, results) => error ? reject(Object.assign(error, { results })) : resolve(results)));
    const results = await commit(c.client.transaction().create("/tx", Buffer.from("a"))
      .create("/tx/s-", Buffer.from(""), CreateMode.PERSISTENT_SEQUENTIAL).setData("/tx", Buffer.from("b"), 0)
      .check("/tx", 1).remove("/tx/s-0000000000", -1));
    check(results.length === 5 && results[1].path === "/tx/s-0000000000", JSON.stringify(results));
    await refused(Exception.NO_NODE, commit(c.client.transaction().setData("/tx", Buffer.from("no")).remove("/nope")));
    check((await c.data("/tx")).data === "b", "half of a transaction");
    await c.remove("/tx", -1);
    c.close();
  },

  async watches() {
    const c = await open(), writer = await open();
    const made = told(), changed = told(), children = told(), deleted = told();
    await c.exists("/watched", made.watcher);
    await writer.create("/watched");
    await expect(made, Event.NODE_CREATED, "/watched");
    await c.getData("/watched", changed.watcher);
    await c.getChildren("/watched", children.watcher);
    await writer.create("/watched/x");
    await expect(children, Event.NODE_CHILDREN_CHANGED, "/watched");
    await writer.setData("/watched", Buffer.from("x"), -1);
    await expect(changed, Event.NODE_DATA_CHANGED, "/watched");
    await c.getData("/watched/x", deleted.watcher);
    await writer.remove("/watched/x", -1);
    await expect(deleted, Event.NODE_DELETED, "/watched/x");
    await writer.remove("/watched", -1);
    c.close();
    writer.close();
  },

  async acls() {
    const ann = await open(), anyone = await open();
    ann.client.addAuthInfo("digest", Buffer.from("ann:secret"));
    const mine = [new ACL(Permission.ALL, new Id("auth", ""))];
    await ann.create("/mine", Buffer.from("x"), mine, CreateMode.PERSISTENT);
    const list = await ann.getACL("/mine");
    check(list.length === 1 && list[0].id.scheme === "digest" && list[0].id.id.startsWith("ann:"), "list");
    // A server behind the other may not have it yet: asked until it is there, which it says by refusing.
    await refused(Exception.NO_AUTH, anyone.setData("/mine", Buffer.from("y"), -1));
    await refused(Exception.NO_AUTH, anyone.create("/mine/x"));
    await refused(Exception.NO_AUTH, anyone.getData("/mine"));
    await refused(Exception.INVALID_ACL, anyone.create("/odd", Buffer.from(""), [new ACL(1, new Id("nonsense", "x"))],
      CreateMode.PERSISTENT));
    await ann.setACL("/mine", mine.concat([new ACL(Permission.READ, Id.ANYONE_ID_UNSAFE)]), 0);
    await ann.remove("/mine", -1);
    ann.close();
    anyone.close();
  },

  async before() {
    held = await open();
    heldSession = held.client.getSessionId().toString("hex");
    await held.create("/held", CreateMode.EPHEMERAL);
    if (await held.exists("/data") === null)
      await held.create("/data");
    heldWatch = told();
    await held.getData("/data", heldWatch.watcher);
  },

  async after() {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      try {
        await held.setData("/data", Buffer.from("after"), -1);
        break;
      } catch (e) {
        check(Date.now() < end && e.getCode() === Exception.CONNECTION_LOSS, String(e));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    check(held.client.getSessionId().toString("hex") === heldSession, "another session");
    await expect(heldWatch, Event.NODE_DATA_CHANGED, "/data");
    await held.remove("/held", -1);
    held.close();
  },
};

let held, heldSession, heldWatch;

(async () => {
  for await (const name of readline.createInterface({ input: process.stdin })) {
    let answer = "ok";
    try {
      await steps[name]();
    } catch (e) {
      answer = "failed: " + (e.stack || e).replace(/\n/g, " ");
    }
    console.log(answer);
  }
  process.exit(0);
})();
