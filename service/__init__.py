"""The product: what happens to a message, told once.

    vendor -- POST /channels/{name}, or a channel's own listener
      web.webhook      the channel verifies and translates; 403, 400 and 413 are decided here
      listening.run    a mailbox, heard by one process at a time; its place in it is stored with each message
      sweeping.run     what a vendor has and we missed, asked for after a start and every few minutes
      flow.take        seen before? stop. Find or open the conversation, store, owe a response: one commit, then 200
      fetching.run     files that only the vendor has, fetched one by one once their message is stored
    -- durable work (work.py), one conversation at a time under a fenced lease --
      flow.respond     agent: screen, search, draft, check, decide; then decision, message and owed delivery in one
                       transaction, and only if it is still the agent's turn
      delivery.deliver marked as being sent in the transaction that asks whether it still may be; then sent, refused, or
                       unknown and looked up

A person's reply is staff_verbs.reply, and then the same delivery: one way out for everyone. The database (models.py)
is the only truth and the queue. Whose turn it is is the conversation's state, changed by the verbs of conversations.py
and staff_verbs.py alone.
"""
