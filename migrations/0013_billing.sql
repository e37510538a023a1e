-- What tenants are billed for, as events for the meters of a billing provider. Usage (0008) has the amounts, a row here is the part of one
-- that was not told before, with an identifier of its own, by which the provider knows a repeat.

CREATE TABLE billing_customers (
  tenant TEXT PRIMARY KEY,
  customer TEXT NOT NULL, -- the name of the tenant at the provider
  since INTEGER NOT NULL -- the hour from which on it is billed
) WITHOUT ROWID;

-- Hours of which there may be more than has become events, written in the transaction that adds the usage.
CREATE TABLE billing_hours (
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  PRIMARY KEY (tenant, hour)
) WITHOUT ROWID;

CREATE TABLE billing_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  identifier TEXT NOT NULL,
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  meter TEXT NOT NULL,
  model TEXT NOT NULL, -- empty where the meter does not tell models apart
  part INTEGER NOT NULL, -- 1, 2, ... : later amounts of an hour are parts of their own
  value INTEGER NOT NULL,
  total INTEGER NOT NULL, -- with all parts before it
  customer TEXT NOT NULL,
  state TEXT NOT NULL, -- waiting, sent, refused
  round INTEGER NOT NULL DEFAULT 1, -- one more each time that the operator has it sent again
  tries INTEGER NOT NULL DEFAULT 0,
  doubtful_since INTEGER, -- when it was first sent without an answer that says what became of it
  next_at INTEGER NOT NULL DEFAULT 0,
  sent_at INTEGER,
  error TEXT,
  UNIQUE (tenant, hour, meter, model, part)
);

CREATE INDEX billing_events_waiting ON billing_events (next_at, id) WHERE state = 'waiting';
CREATE INDEX billing_events_of_tenant ON billing_events (tenant, id);
CREATE INDEX billing_events_refused ON billing_events (id) WHERE state = 'refused';
