"""Does what the other clients do in a room with a watcher, who says 'bytes' with the same
attachment back and types: client.py URL TRANSPORT[,TRANSPORT] ROOM COUNT."""

import sys
import threading
import uuid

import socketio

url, transports, room, count = sys.argv[1:]
transports = transports.split(",")
CONTROLS = "".join(map(chr, range(32)))
TEXTS = ["Grüße, 日本, 😀", f"controls: {CONTROLS}\x7f\u2028\u2029 \\u0041 \"quoted\"", "x" * 100000]
BYTES = bytes(range(256))
client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
heard = []
changed = threading.Condition()


def wait_for(condition, what):
    with changed:
        if not changed.wait_for(condition, timeout=60):
            sys.exit(f"waited for {what}; heard {[name for name, _ in heard]}")


def hear(name):
    def on_event(data=None):
        with changed:
            heard.append((name, data))
            changed.notify_all()
    client.on(name, on_event)


def said(sender):
    return [data["text"] for name, data in heard
            if name == "messageBroadcast" and data["senderId"] == sender]


def join():
    joined = client.call("message", {"type": 1, "payload": {"roomId": room, "entityId": "py"}})
    assert joined["success"], joined


def say(text, **more):
    sent = client.call("message", {"type": 2, "payload": {
        "roomId": room, "senderId": "py", "senderName": "py", "message": text,
        "messageId": str(uuid.uuid4()), **more}}, timeout=60)
    assert sent["success"], sent
    return sent["messageId"]


for name in ["connect", "messageBroadcast", "userTyping"]:
    hear(name)
client.connect(url, transports=transports)
join()
client.emit("typing", {"roomId": room, "userId": "py", "isTyping": True})
for text in TEXTS:
    say(text)
    wait_for(lambda: text in said("py"), "its own text")
for number in range(int(count)):
    say(f"number {number}")

question = say("I am unhappy.")
answers = lambda: [data for name, data in heard if (data or {}).get("inReplyTo") == question]
wait_for(lambda: len(answers()) > 0, "a reply")

say("bytes", attachments=[{"id": "a", "data": BYTES}])
wait_for(lambda: "bytes" in said("watcher"), "bytes")
attached = [data["attachments"][0]["data"] for name, data in heard
            if name == "messageBroadcast" and data["text"] == "bytes"]
assert attached == [BYTES, BYTES], attached
wait_for(lambda: any(name == "userTyping" and data["userId"] == "watcher"
                     for name, data in heard), "the watcher's typing")
assert client.transport() == transports[-1], client.transport()
assert said("py") == TEXTS + [f"number {i}" for i in range(int(count))] + \
    ["I am unhappy.", "bytes"], said("py")

# What no server understands makes this one close the session. From the packet that tells a poll of
# that this library does not come back.
if transports != ["polling"]:
    client.eio.send("no packet")
    wait_for(lambda: sum(name == "connect" for name, _ in heard) == 2, "the way back")
    join()
    say("back")
    wait_for(lambda: "back" in said("py"), "its own text after it came back")
    assert len(answers()) == 1, answers()
client.disconnect()
