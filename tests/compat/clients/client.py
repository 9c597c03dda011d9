"""Joins a room, speaks, and is answered once: client.py URL TRANSPORT[,TRANSPORT] ROOM."""

import sys
import threading
import uuid

import socketio

url, transports, room = sys.argv[1:]
TEXT = "Grüße, 😀"
client = socketio.Client(reconnection=False)
heard = []
changed = threading.Condition()


def wait_for(condition, what):
    with changed:
        if not changed.wait_for(condition, timeout=20):
            sys.exit(f"waited for {what}; heard {heard}")


@client.on("messageBroadcast")
def on_broadcast(data):
    with changed:
        heard.append(data)
        changed.notify_all()


client.connect(url, transports=transports.split(","))
joined = client.call("message", {"type": 1, "payload": {"roomId": room, "entityId": "py"}})
assert joined["success"], joined
sent = client.call("message", {"type": 2, "payload": {
    "roomId": room, "senderId": "py", "senderName": "py", "message": TEXT,
    "messageId": str(uuid.uuid4())}})
wait_for(lambda: any(message.get("inReplyTo") == sent["messageId"] for message in heard), "a reply")
assert [message["text"] for message in heard if message["senderId"] == "py"] == [TEXT], heard
assert sum(message.get("inReplyTo") == sent["messageId"] for message in heard) == 1, heard
assert client.transport() == transports.split(",")[-1], client.transport()
client.disconnect()
