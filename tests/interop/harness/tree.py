"""A server's whole data tree, read from that server directly, and the comparison of trees."""
import collections

from .wire import GET_ACL, GET_CHILDREN2, GET_DATA, Client, Reader, boolean, ustr

WINDOW = 100                            # requests under way at a time

Node = collections.namedtuple("Node", "data stat children acl")

# Its mtime is each server's own clock (storage format 4.2), and its text tells who is a member.
LOCAL_NODES = ("/zookeeper/config",)


def read_tree(server):
    """Path -> Node of everything, as `server` itself serves it after a sync."""
    client = Client(server.address, timeout_ms=30000, timeout=30.0)
    try:
        client.sync("/")
        return _walk(client)
    finally:
        client.close_session()


def _walk(client):
    tree = {}
    todo = collections.deque(["/"])
    under_way = collections.deque()
    while todo or under_way:
        asked = []
        while todo and len(under_way) < WINDOW and (len(under_way) < WINDOW // 2 or asked):
            path = todo.popleft()
            asked += [(GET_DATA, ustr(path) + boolean(False)), (GET_CHILDREN2, ustr(path) + boolean(False)),
                      (GET_ACL, ustr(path))]
            under_way.append(path)
        client.submit_all(asked)
        path = under_way.popleft()
        replies = [client.read_reply() for _ in range(3)]
        assert [reply.err for reply in replies] == [0, 0, 0], (path, replies)
        data_reply, children_reply, acl_reply = replies
        r = Reader(data_reply.body)
        data, stat = r.buf(), r.stat()
        names = sorted(Reader(children_reply.body).strings())
        tree[path] = Node(data, stat, names, Reader(acl_reply.body).acls())
        todo.extend(path.rstrip("/") + "/" + name for name in names)
    return tree


def differences(left, right, limit=20):
    """Lines that say where two trees differ: no line, equal trees."""
    lines = []
    for path in sorted(set(left) | set(right)):
        if path in LOCAL_NODES:
            continue
        a, b = left.get(path), right.get(path)
        if a is None or b is None:
            lines.append("%s is only in the %s tree" % (path, "second" if a is None else "first"))
        elif a != b:
            fields = [name for name in Node._fields if getattr(a, name) != getattr(b, name)]
            lines.append("%s differs in %s: %r and %r" % (
                path, ", ".join(fields), [getattr(a, f) for f in fields],
                [getattr(b, f) for f in fields]))
    return lines[:limit] + (["… and %d more" % (len(lines) - limit)] if len(lines) > limit else [])


def assert_equal_trees(servers):
    """Reads every server's tree and asserts that all are the same. Returns the tree."""
    servers = list(servers)
    first = read_tree(servers[0])
    for other in servers[1:]:
        found = differences(first, read_tree(other))
        assert not found, "%r and %r differ:\n%s" % (servers[0], other, "\n".join(found))
    return first
