/**
 * The schema, as the steps that lead to it. Forward only: a step that has been released is never edited, a change is
 * a new step. The index of a step is the `user_version` that it starts from.
 */

/** "SWBD": marks the file as a ledger, so that another program's database is never taken for one. */
export const applicationId = 0x53574244;

export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last_epoch INTEGER NOT NULL,
    -- Leases up to this epoch are stale: raised at each opening, instead of touching every chat.
    start_epoch INTEGER NOT NULL
  ) STRICT;
  INSERT INTO meta VALUES (1, 0, 0);

  CREATE TABLE chats (
    chat_id TEXT PRIMARY KEY,
    name TEXT,
    tier TEXT NOT NULL,
    is_group INTEGER NOT NULL,
    session_name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    owner TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    -- Of messages and replies together.
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_message_at INTEGER,
    created_at INTEGER NOT NULL,
    active_at INTEGER NOT NULL,
    turns INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_by_activity ON chats (active_at, chat_id);

  -- Only of bases that are wanted more than once: the last number given, so that none is tried twice.
  CREATE TABLE session_names (
    base TEXT PRIMARY KEY COLLATE NOCASE,
    last INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    chat_id TEXT NOT NULL REFERENCES chats,
    sdk_session_id TEXT,
    told_facts TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- The place in which a reset put it aside, the last one highest; null for the current session.
    put_aside INTEGER,
    CHECK ((ended_at IS NULL) = (put_aside IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX sessions_current ON sessions (chat_id) WHERE put_aside IS NULL;
  CREATE INDEX sessions_earlier ON sessions (chat_id, put_aside) WHERE put_aside IS NOT NULL;

  CREATE TABLE processes (
    generation INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id TEXT NOT NULL REFERENCES chats,
    session_id TEXT NOT NULL REFERENCES sessions,
    pid INTEGER,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    start_reason TEXT NOT NULL,
    end_reason TEXT
  ) STRICT;
  CREATE INDEX processes_of_chat ON processes (chat_id);
  CREATE INDEX processes_running ON processes (chat_id) WHERE ended_at IS NULL;

  CREATE TABLE replies (
    id TEXT PRIMARY KEY,
    chat_id TEXT NOT NULL REFERENCES chats,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('answer', 'notice')),
    text TEXT NOT NULL,
    answers TEXT NOT NULL,
    route TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'sending', 'sent', 'uncertain', 'failed')),
    created_at INTEGER NOT NULL,
    UNIQUE (chat_id, seq)
  ) STRICT;

  CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    chat_id TEXT NOT NULL REFERENCES chats,
    seq INTEGER NOT NULL,
    external_id TEXT,
    text TEXT NOT NULL,
    sender TEXT,
    route TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'sent', 'answered', 'refused', 'failed', 'stopped')),
    ran INTEGER,
    tries INTEGER NOT NULL,
    error_code TEXT,
    error_message TEXT,
    reply_id TEXT REFERENCES replies,
    accepted_at INTEGER NOT NULL,
    sent_at INTEGER,
    ended_at INTEGER,
    UNIQUE (chat_id, seq),
    CHECK ((ended_at IS NULL) = (status IN ('queued', 'sent'))),
    CHECK ((reply_id IS NOT NULL) = (status = 'answered')),
    CHECK (ran IS NULL OR status = 'stopped')
  ) STRICT;
  CREATE UNIQUE INDEX messages_external ON messages (chat_id, external_id) WHERE external_id IS NOT NULL;
  CREATE INDEX messages_open ON messages (chat_id, seq) WHERE status IN ('queued', 'sent');
  -- Promises 3 and 4: one end status, one answer, whatever the code above does.
  CREATE TRIGGER messages_end_once BEFORE UPDATE OF status, reply_id ON messages
  WHEN OLD.status NOT IN ('queued', 'sent')
  BEGIN
    SELECT RAISE(ABORT, 'a message ends once');
  END;

  CREATE TABLE tries (
    message_id TEXT NOT NULL REFERENCES messages,
    n INTEGER NOT NULL,
    sdk_uuid TEXT NOT NULL,
    generation INTEGER NOT NULL REFERENCES processes,
    epoch INTEGER NOT NULL,
    outcome TEXT CHECK (outcome IN ('answered', 'failed', 'stopped', 'lost')),
    charged_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE turns (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    chat_id TEXT NOT NULL REFERENCES chats,
    session_id TEXT NOT NULL REFERENCES sessions,
    generation INTEGER NOT NULL REFERENCES processes,
    outcome TEXT CHECK (outcome IN ('answered', 'failed', 'stopped')),
    started_at INTEGER NOT NULL,
    request_at INTEGER,
    first_byte_at INTEGER,
    ended_at INTEGER,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
  ) STRICT;
  CREATE INDEX turns_of_chat ON turns (chat_id);
  CREATE INDEX turns_open ON turns (chat_id) WHERE ended_at IS NULL;

  CREATE TABLE turn_messages (
    turn INTEGER NOT NULL REFERENCES turns,
    n INTEGER NOT NULL,
    message_id TEXT NOT NULL REFERENCES messages,
    PRIMARY KEY (turn, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    chat_id TEXT NOT NULL REFERENCES chats,
    type TEXT NOT NULL CHECK (type IN ('message', 'turn', 'tool', 'reply', 'process', 'notice')),
    -- The message or reply that it tells of: what never changes in it is joined when the event is read.
    subject TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_of_chat ON events (chat_id);
  `,
  `
  -- Of chats that came from another host: a session id that no transcript bears out, and what else the host knew.
  ALTER TABLE chats ADD COLUMN unproven_session_id TEXT;
  ALTER TABLE chats ADD COLUMN extra TEXT;
  `,
  `
  ALTER TABLE chats ADD COLUMN queue_mode TEXT CHECK (queue_mode IN ('steer', 'queue', 'collect', 'interrupt'));

  ALTER TABLE messages ADD COLUMN channel TEXT;
  ALTER TABLE messages ADD COLUMN command TEXT CHECK (command = 'stop');

  -- Before this step every reply was fetched, and so was sent.
  ALTER TABLE replies ADD COLUMN channel TEXT CHECK (channel IS NOT NULL OR status = 'sent');
  ALTER TABLE replies ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE replies ADD COLUMN due_at INTEGER CHECK ((due_at IS NOT NULL) = (status = 'pending'));
  ALTER TABLE replies ADD COLUMN pause_ms INTEGER CHECK ((pause_ms IS NOT NULL) = (status = 'pending'));
  ALTER TABLE replies ADD COLUMN error_code TEXT;
  ALTER TABLE replies ADD COLUMN error_message TEXT;
  CREATE INDEX replies_to_send ON replies (channel, chat_id, seq) WHERE status IN ('pending', 'sending');
  CREATE INDEX replies_undelivered ON replies (id) WHERE status IN ('uncertain', 'failed');

  -- SQLite cannot change a CHECK: such a table is written anew, and whatever names it with it, children dropped first.
  CREATE TABLE new_tries (
    message_id TEXT NOT NULL REFERENCES messages,
    n INTEGER NOT NULL,
    sdk_uuid TEXT NOT NULL,
    generation INTEGER NOT NULL REFERENCES processes,
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('send', 'continue')),
    progress INTEGER NOT NULL,
    outcome TEXT CHECK (outcome IN ('answered', 'failed', 'stopped', 'lost', 'excused')),
    charged_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, n)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_tries
    SELECT message_id, n, sdk_uuid, generation, epoch, 'send', 0, outcome, charged_at FROM tries;
  DROP TABLE tries;
  ALTER TABLE new_tries RENAME TO tries;

  CREATE TABLE new_turns (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    chat_id TEXT NOT NULL REFERENCES chats,
    session_id TEXT NOT NULL REFERENCES sessions,
    generation INTEGER NOT NULL REFERENCES processes,
    outcome TEXT CHECK (outcome IN ('answered', 'failed', 'stopped', 'cut')),
    started_at INTEGER NOT NULL,
    request_at INTEGER,
    first_byte_at INTEGER,
    ended_at INTEGER,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
  ) STRICT;
  INSERT INTO new_turns
    SELECT number, id, chat_id, session_id, generation, outcome, started_at, request_at, first_byte_at, ended_at
    FROM turns;
  CREATE TABLE new_turn_messages (
    turn INTEGER NOT NULL REFERENCES new_turns,
    n INTEGER NOT NULL,
    message_id TEXT NOT NULL REFERENCES messages,
    PRIMARY KEY (turn, n)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_turn_messages SELECT turn, n, message_id FROM turn_messages;
  DROP TABLE turn_messages;
  DROP TABLE turns;
  ALTER TABLE new_turns RENAME TO turns;
  ALTER TABLE new_turn_messages RENAME TO turn_messages;
  CREATE INDEX turns_of_chat ON turns (chat_id);
  CREATE INDEX turns_open ON turns (chat_id) WHERE ended_at IS NULL;
  CREATE INDEX turn_messages_of_message ON turn_messages (message_id);

  CREATE TABLE tool_calls (
    -- In the order in which they began.
    number INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns,
    tool_use_id TEXT NOT NULL,
    name TEXT NOT NULL,
    input TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'finished', 'failed', 'unknown')),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (turn, tool_use_id),
    CHECK ((ended_at IS NULL) = (state = 'started'))
  ) STRICT;
  `,
  `
  CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    chat_id TEXT NOT NULL REFERENCES chats,
    message_id TEXT NOT NULL REFERENCES messages,
    name TEXT NOT NULL,
    input TEXT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'used', 'expired', 'withdrawn')),
    decided_by TEXT CHECK ((decided_by IS NOT NULL) = (state IN ('approved', 'denied', 'used'))),
    asked_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    ended_at INTEGER CHECK ((ended_at IS NULL) = (state IN ('pending', 'approved')))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX approvals_of_call ON approvals (message_id, digest, asked_at);
  CREATE INDEX approvals_pending ON approvals (until, id) WHERE state = 'pending';
  `,
  `
  -- Two sums of the same: a chat's goes with the chat.
  CREATE TABLE spending (
    day TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (day, tier, model)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE chat_spending (
    chat_id TEXT NOT NULL REFERENCES chats,
    day TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (chat_id, day, tier, model)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE allowances (
    day TEXT NOT NULL,
    -- Of the chat or the tier, or empty: of all.
    scope TEXT NOT NULL,
    chat_id TEXT REFERENCES chats,
    tier TEXT,
    cost INTEGER NOT NULL,
    PRIMARY KEY (day, scope)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX allowances_of_chat ON allowances (chat_id) WHERE chat_id IS NOT NULL;
  `,
  `
  -- Chats that nobody has named: none of them is in chats.
  CREATE TABLE pending (
    chat_id TEXT PRIMARY KEY,
    name TEXT,
    channel TEXT,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_by_time ON pending (last_at, chat_id);
  `,
  `
  CREATE TABLE forgotten_spaces (
    session_id TEXT PRIMARY KEY,
    session_name TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- A constraint cannot be changed in place.
  ALTER TABLE messages RENAME COLUMN command TO command_before;
  ALTER TABLE messages ADD COLUMN command TEXT CHECK (command IN ('stop', 'answer'));
  UPDATE messages SET command = command_before WHERE command_before IS NOT NULL;
  ALTER TABLE messages DROP COLUMN command_before;
  `,
  `
  -- What is told of them; their content is kept as long as it may have to be handed over again.
  ALTER TABLE messages ADD COLUMN attachments TEXT;
  CREATE TABLE attachment_data (
    message_id TEXT NOT NULL REFERENCES messages,
    place INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (message_id, place)
  ) STRICT;
  CREATE TRIGGER attachments_of_ended AFTER UPDATE OF status ON messages
  WHEN NEW.attachments IS NOT NULL AND NEW.status NOT IN ('queued', 'sent')
  BEGIN
    DELETE FROM attachment_data WHERE message_id = NEW.id;
  END;
  `,
  `
  -- A count of a million rows is no look-up.
  ALTER TABLE meta ADD COLUMN chats INTEGER NOT NULL DEFAULT 0;
  UPDATE meta SET chats = (SELECT count(*) FROM chats);

  CREATE TABLE rollups (
    at INTEGER PRIMARY KEY,
    turns INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    stopped INTEGER NOT NULL DEFAULT 0,
    cost INTEGER NOT NULL DEFAULT 0,
    live INTEGER,
    waiting INTEGER,
    memory_bytes INTEGER
  ) STRICT;
  CREATE TABLE answer_times (
    at INTEGER NOT NULL,
    up_to_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (at, up_to_ms)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What was told while a message was open, without a walk through all that ever happened in its chat.
  CREATE INDEX replies_notices ON replies (chat_id, created_at) WHERE kind = 'notice';
  CREATE INDEX events_notices ON events (chat_id, at) WHERE type = 'notice';
  `,
];
