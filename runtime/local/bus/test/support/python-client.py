"""Drives the local Service Bus with Azure's SDK for Python and prints what it saw, one JSON object.

Arguments: connection string, port of the TLS front, certificate of that front.
"""
import datetime
import json
import sys

from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus._common import _configuration

connection_string, port, certificate = sys.argv[1:]
# The SDK has no setting for the port of AMQP over TLS.
_configuration.DEFAULT_AMQPS_PORT = int(port)
seen = {}


def body(message):
    return b"".join(message.body).decode()


def one(receiver):
    return receiver.receive_messages(max_message_count=1, max_wait_time=10)[0]


def in_future(**delta):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)


def send(client, queue, *messages):
    with client.get_queue_sender(queue) as sender:
        sender.send_messages(list(messages))


def settlements(client):
    send(client, "settled", *[ServiceBusMessage(name) for name in ("complete", "abandon", "defer", "bad")])
    with client.get_queue_receiver("settled") as receiver:
        message = one(receiver)
        seen["lock"] = message.locked_until_utc is not None and message.lock_token is not None
        seen["renewed"] = receiver.renew_message_lock(message) is not None
        receiver.complete_message(message)
        message = one(receiver)
        receiver.abandon_message(message)
        message = one(receiver)
        seen["abandoned"] = [body(message), message.delivery_count]
        receiver.complete_message(message)
        message = one(receiver)
        number = message.sequence_number
        receiver.defer_message(message)
        message = one(receiver)
        receiver.dead_letter_message(message, reason="why", error_description="because")
        deferred = receiver.receive_deferred_messages(number)[0]
        seen["deferred"] = [body(deferred), deferred.delivery_count]
        seen["deferredLock"] = deferred.lock_token is not None
        receiver.renew_message_lock(deferred)
        receiver.complete_message(deferred)
    with client.get_queue_receiver("settled", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as letters:
        letter = one(letters)
        seen["deadLetter"] = [body(letter), letter.dead_letter_reason, letter.dead_letter_error_description]
        letters.complete_message(letter)
    with client.get_queue_receiver("settled") as receiver:
        seen["left"] = [body(message) for message in receiver.peek_messages(10)]


def schedule(client):
    with client.get_queue_sender("scheduled") as sender:
        numbers = sender.schedule_messages([ServiceBusMessage("a"), ServiceBusMessage("b")], in_future(hours=1))
        seen["scheduledNumbers"] = len(numbers)
        with client.get_queue_receiver("scheduled") as receiver:
            seen["peeked"] = [body(message) for message in receiver.peek_messages(5)]
        sender.cancel_scheduled_messages(numbers)
        sender.schedule_messages(ServiceBusMessage("soon"), in_future(milliseconds=200))
    with client.get_queue_receiver("scheduled", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver:
        seen["scheduled"] = body(one(receiver))


def sessions(client):
    send(client, "sessions", *[ServiceBusMessage(name, session_id=name) for name in ("s1", "s2")])
    with client.get_queue_receiver("sessions", session_id="s2") as receiver:
        session = receiver.session
        seen["session"] = [session.session_id, session.locked_until_utc is not None]
        session.set_state("state")
        seen["state"] = session.get_state().decode()
        session.renew_lock()
        receiver.complete_message(one(receiver))
        session.set_state(None)
    with client.get_queue_receiver("sessions", session_id=NEXT_AVAILABLE_SESSION) as receiver:
        message = one(receiver)
        seen["nextSession"] = [receiver.session.session_id, body(message)]
        receiver.complete_message(message)


def errors(client):
    try:
        send(client, "absent", ServiceBusMessage("x"))
        seen["absent"] = "sent"
    except Exception as error:
        seen["absent"] = "'sb://localhost/absent' could not be found" in str(error)
    try:
        with client.get_queue_sender("settled") as sender:
            sender.schedule_messages(ServiceBusMessage("x" * 300_000), in_future(hours=1))
        seen["oversized"] = "sent"
    except Exception as error:
        seen["oversized"] = "amqp:link:message-size-exceeded" in str(error)


client = ServiceBusClient.from_connection_string(connection_string, connection_verify=certificate, retry_total=0)
with client:
    for part in (settlements, schedule, sessions, errors):
        part(client)
print(json.dumps(seen))
