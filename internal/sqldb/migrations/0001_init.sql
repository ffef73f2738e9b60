-- The first schema, one text for SQLite and PostgreSQL (see ARCHITECTURE.md).
-- Ids are short, time-ordered texts made in Go. Names of owners, packages,
-- channels and labels are stored lower case. Times are UTC at microseconds.

-- +goose Up

-- The one row that every change of anybody's rights counts up.
CREATE TABLE access_state (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL
);
INSERT INTO access_state (id, generation) VALUES (1, 1);

-- Facts about this instance: its id, when it was made.
CREATE TABLE instance (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Owners: users and organisations share one space of names.
CREATE TABLE owners (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    name_key    TEXT NOT NULL UNIQUE, -- name without '-' and '_': look-alikes collide
    kind        TEXT NOT NULL CHECK (kind IN ('user', 'organization')),
    full_name   TEXT NOT NULL DEFAULT '',
    company     TEXT NOT NULL DEFAULT '',
    location    TEXT NOT NULL DEFAULT '',
    url         TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    created_at  TIMESTAMP NOT NULL,
    deleted_at  TIMESTAMP
);

CREATE TABLE users (
    owner_id          TEXT PRIMARY KEY REFERENCES owners (id),
    email             TEXT NOT NULL,
    email_key         TEXT NOT NULL UNIQUE, -- lower case
    email_verified_at TIMESTAMP,
    password_hash     TEXT NOT NULL, -- argon2id; '' = no password can match
    operator          BOOLEAN NOT NULL,
    disabled_at       TIMESTAMP,
    terms_version     TEXT NOT NULL DEFAULT '',
    terms_accepted_at TIMESTAMP,
    last_sign_in_at   TIMESTAMP
);

CREATE TABLE organizations (
    owner_id   TEXT PRIMARY KEY REFERENCES owners (id),
    email      TEXT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE memberships (
    organization_id TEXT NOT NULL REFERENCES organizations (owner_id),
    user_id         TEXT NOT NULL REFERENCES users (owner_id),
    role            TEXT NOT NULL CHECK (role IN ('owner', 'administrator', 'member')),
    created_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

-- Groups. The group "owners" of an organisation is its memberships of role
-- owner, seen as a group; it has no row here.
CREATE TABLE groups (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (owner_id),
    name            TEXT NOT NULL,
    permission      TEXT NOT NULL CHECK (permission IN ('read', 'write', 'admin')),
    all_packages    BOOLEAN NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    UNIQUE (organization_id, name)
);

CREATE TABLE group_members (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    user_id    TEXT NOT NULL REFERENCES users (owner_id),
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);

-- Grants: a person or a group may read, write or administer an owner at large,
-- one channel or one package.
CREATE TABLE grants (
    id           TEXT PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group')),
    subject_id   TEXT NOT NULL,
    object_kind  TEXT NOT NULL CHECK (object_kind IN ('owner', 'channel', 'package')),
    object_id    TEXT NOT NULL,
    verb         TEXT NOT NULL CHECK (verb IN ('read', 'write', 'admin')),
    created_at   TIMESTAMP NOT NULL,
    created_by   TEXT NOT NULL,
    UNIQUE (subject_kind, subject_id, object_kind, object_id)
);
CREATE INDEX grants_object ON grants (object_kind, object_id);

-- Tokens. Only the SHA-256 of a token is kept.
CREATE TABLE tokens (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES users (owner_id), -- who acts
    organization_id TEXT NOT NULL DEFAULT '', -- '' or the organisation that owns the token
    name            TEXT NOT NULL,
    hash            BYTEA NOT NULL UNIQUE,
    last4           TEXT NOT NULL,
    scopes          JSON NOT NULL, -- list of scopes; [] = all
    resources       JSON NOT NULL, -- list of "OWNER", "OWNER/PACKAGE"; [] = everything
    hostname        TEXT NOT NULL DEFAULT '',
    created_at      TIMESTAMP NOT NULL,
    created_from    TEXT NOT NULL DEFAULT '',
    expires_at      TIMESTAMP,
    revoked_at      TIMESTAMP,
    last_used_at    TIMESTAMP,
    last_used_from  TEXT NOT NULL DEFAULT '',
    last_used_agent TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX tokens_name ON tokens (user_id, organization_id, name) WHERE revoked_at IS NULL;

-- Browser sessions. The cookie holds a secret of which only the hash is kept.
CREATE TABLE sessions (
    hash         BYTEA PRIMARY KEY,
    user_id      TEXT NOT NULL DEFAULT '', -- '' before sign-in
    data         BYTEA NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    expires_at   TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP NOT NULL,
    remote       TEXT NOT NULL DEFAULT '',
    agent        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_user ON sessions (user_id);

-- One-time links: set-up, verification, password reset.
CREATE TABLE links (
    hash       BYTEA PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('setup', 'verify', 'reset', 'invite')),
    user_id    TEXT NOT NULL DEFAULT '',
    email      TEXT NOT NULL DEFAULT '',
    data       JSON NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);

-- Counters of the limits of frequency, one row a bucket and window.
CREATE TABLE limits (
    bucket       TEXT NOT NULL,
    window_start TIMESTAMP NOT NULL,
    count        BIGINT NOT NULL,
    PRIMARY KEY (bucket, window_start)
);
CREATE INDEX limits_window ON limits (window_start);

-- The audit log: appended in the transaction of each change, never changed.
CREATE TABLE audit (
    id          TEXT PRIMARY KEY,
    at          TIMESTAMP NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    TEXT NOT NULL DEFAULT '',
    actor_name  TEXT NOT NULL DEFAULT '',
    credential  TEXT NOT NULL DEFAULT '', -- "session", "token ID", "command"
    remote      TEXT NOT NULL DEFAULT '',
    request_id  TEXT NOT NULL DEFAULT '',
    action      TEXT NOT NULL, -- "package.create", "token.revoke"
    owner_id    TEXT NOT NULL DEFAULT '', -- whose log it belongs to
    object_kind TEXT NOT NULL,
    object_id   TEXT NOT NULL DEFAULT '',
    object_name TEXT NOT NULL DEFAULT '',
    before      JSON,
    after       JSON
);
CREATE INDEX audit_owner ON audit (owner_id, id);

-- Channels. A channel of kind local is what a file sees as a label.
CREATE TABLE channels (
    id           TEXT PRIMARY KEY,
    owner_id     TEXT NOT NULL REFERENCES owners (id),
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('local', 'mirror', 'proxy', 'virtual', 'snapshot')),
    visibility   TEXT NOT NULL CHECK (visibility IN ('public', 'authenticated', 'internal', 'private')),
    locked       BOOLEAN NOT NULL,
    replace_rule TEXT NOT NULL DEFAULT 'always', -- 'always', 'within 72h', 'never'
    description  TEXT NOT NULL DEFAULT '',
    source       TEXT NOT NULL DEFAULT '', -- where an imported or mirrored channel came from
    generation   BIGINT NOT NULL, -- the last one committed
    frozen_at    BIGINT, -- the generation that is served while frozen
    importing_until TIMESTAMP, -- an import is loading records of the generation to come; it renews this
    created_at   TIMESTAMP NOT NULL,
    UNIQUE (owner_id, name)
);

-- The generation log: which subdirs a generation changed, and which names.
CREATE TABLE generations (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    number     BIGINT NOT NULL,
    subdir     TEXT NOT NULL,
    at         TIMESTAMP NOT NULL,
    actor_name TEXT NOT NULL DEFAULT '',
    cause      TEXT NOT NULL DEFAULT '', -- "upload", "delete", "label", "import"
    added      BIGINT NOT NULL,
    removed    BIGINT NOT NULL,
    PRIMARY KEY (channel_id, number, subdir)
);
CREATE TABLE generation_names (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    number     BIGINT NOT NULL,
    subdir     TEXT NOT NULL,
    name       TEXT NOT NULL,
    PRIMARY KEY (channel_id, number, subdir, name)
);

CREATE TABLE packages (
    id          TEXT PRIMARY KEY,
    owner_id    TEXT NOT NULL REFERENCES owners (id),
    name        TEXT NOT NULL,
    private     BOOLEAN NOT NULL,
    summary     TEXT NOT NULL DEFAULT '',
    attrs       JSON NOT NULL, -- public_attrs as a client sent them
    types       JSON NOT NULL, -- list of package types, sorted
    latest      TEXT NOT NULL DEFAULT '', -- newest version, by conda's order
    license     TEXT NOT NULL DEFAULT '', -- of the newest release
    platforms   JSON NOT NULL, -- list of subdirs with a live file, sorted
    search_text TEXT NOT NULL DEFAULT '', -- lower case name, summary, keywords
    downloads   BIGINT NOT NULL DEFAULT 0,
    created_by  TEXT NOT NULL DEFAULT '',
    created_at  TIMESTAMP NOT NULL,
    modified_at TIMESTAMP NOT NULL,
    released_at TIMESTAMP, -- newest upload
    deleted_at  TIMESTAMP
);
CREATE UNIQUE INDEX packages_name ON packages (owner_id, name) WHERE deleted_at IS NULL;
CREATE INDEX packages_released ON packages (released_at);

CREATE TABLE releases (
    id          TEXT PRIMARY KEY,
    package_id  TEXT NOT NULL REFERENCES packages (id),
    version     TEXT NOT NULL,
    attrs       JSON NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_by  TEXT NOT NULL DEFAULT '',
    created_at  TIMESTAMP NOT NULL,
    deleted_at  TIMESTAMP
);
CREATE UNIQUE INDEX releases_version ON releases (package_id, version) WHERE deleted_at IS NULL;

-- Files: one uploaded (or imported) archive each, what anaconda.org calls a dist.
CREATE TABLE files (
    id              TEXT PRIMARY KEY,
    owner_id        TEXT NOT NULL REFERENCES owners (id),
    package_id      TEXT NOT NULL REFERENCES packages (id),
    release_id      TEXT NOT NULL REFERENCES releases (id),
    type            TEXT NOT NULL, -- 'conda', 'pypi', 'r', 'ipynb', 'env', 'file'
    subdir          TEXT NOT NULL DEFAULT '', -- conda only
    name            TEXT NOT NULL, -- file name without subdir
    name_key        TEXT NOT NULL, -- lower case
    basename        TEXT NOT NULL, -- conda: SUBDIR/NAME, else NAME
    version         TEXT NOT NULL,
    build           TEXT NOT NULL DEFAULT '',
    build_number    BIGINT NOT NULL DEFAULT 0,
    size            BIGINT NOT NULL,
    md5             TEXT NOT NULL,
    sha256          TEXT NOT NULL,
    stored          BOOLEAN NOT NULL, -- the bytes are in the blob store
    source_url      TEXT NOT NULL DEFAULT '', -- where bytes not yet stored are fetched
    attrs           JSON NOT NULL,
    dependencies    JSON,
    description     TEXT NOT NULL DEFAULT '',
    record_json     BYTEA, -- conda: canonical record, encoded once
    record_msgpack  BYTEA,
    run_exports     BYTEA, -- JSON object; NULL = unknown
    uploaded_by     TEXT NOT NULL DEFAULT '', -- name of the uploader
    uploaded_at     TIMESTAMP NOT NULL,
    license         TEXT NOT NULL DEFAULT '', -- conda: of the record
    timestamp_ms    BIGINT NOT NULL DEFAULT 0, -- conda: when it was built, as it says
    indexed_ms      BIGINT NOT NULL, -- CEP 47: first seen here, Unix milliseconds
    indexed_source  TEXT NOT NULL DEFAULT 'seen', -- 'seen', 'upstream', 'timestamp', 'now'
    downloads       BIGINT NOT NULL DEFAULT 0,
    withdrawn_at    TIMESTAMP, -- taken out of the index only (yank)
    withdrawn_why   TEXT NOT NULL DEFAULT '',
    deleted_at      TIMESTAMP, -- in the trash since
    deleted_by      TEXT NOT NULL DEFAULT '',
    trashed_labels  JSON -- the labels it had, for restoring
);
CREATE UNIQUE INDEX files_basename ON files (release_id, basename) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX files_conda_name ON files (owner_id, subdir, name_key) WHERE deleted_at IS NULL AND type = 'conda';
-- What a package says of its files is worked out at every upload: from this index
-- alone, since the rows are large.
CREATE INDEX files_package ON files (package_id, deleted_at, version, uploaded_at, id, type, subdir, license);
CREATE INDEX files_sha256 ON files (sha256);
CREATE INDEX files_deleted ON files (deleted_at) WHERE deleted_at IS NOT NULL;

-- What the archive says of itself, for pages and channeldata; read on demand.
CREATE TABLE file_info (
    file_id     TEXT PRIMARY KEY REFERENCES files (id),
    about       JSON,
    readme      TEXT NOT NULL DEFAULT '',
    readme_name TEXT NOT NULL DEFAULT '',
    paths       JSON, -- list of {path,size,sha256,type}
    members     JSON, -- list of {name,size} below info/
    flags       JSON  -- what channeldata says of the files (CEP 38)
);

-- Which labels (channels) a file of any type is in.
CREATE TABLE file_channels (
    file_id    TEXT NOT NULL REFERENCES files (id),
    channel_id TEXT NOT NULL REFERENCES channels (id),
    added_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (file_id, channel_id)
);
CREATE INDEX file_channels_channel ON file_channels (channel_id);

-- The truth of the index: one row for each stretch of generations in which a
-- channel listed a file. A change never overwrites: it ends a stretch, begins one.
CREATE TABLE records (
    channel_id   TEXT NOT NULL REFERENCES channels (id),
    subdir       TEXT NOT NULL,
    name         TEXT NOT NULL,
    file_name    TEXT NOT NULL,
    added        BIGINT NOT NULL,
    removed      BIGINT, -- NULL = still listed
    file_id      TEXT NOT NULL,
    version      TEXT NOT NULL,
    build        TEXT NOT NULL,
    build_number BIGINT NOT NULL,
    license      TEXT NOT NULL DEFAULT '',
    timestamp_ms BIGINT NOT NULL DEFAULT 0,
    indexed_ms   BIGINT NOT NULL DEFAULT 0,
    size         BIGINT NOT NULL,
    json         BYTEA NOT NULL,
    msgpack      BYTEA NOT NULL,
    run_exports  BYTEA,
    PRIMARY KEY (channel_id, subdir, name, file_name, added)
);
CREATE UNIQUE INDEX records_live ON records (channel_id, subdir, file_name) WHERE removed IS NULL;
CREATE INDEX records_file ON records (file_id);

-- Shards that an index has named: hash → name and generation, so that the bytes
-- can be made again for clients that still hold an older index.
CREATE TABLE shards (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    subdir     TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    name       TEXT NOT NULL,
    generation BIGINT NOT NULL,
    made_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (channel_id, subdir, hash)
);
CREATE INDEX shards_made ON shards (made_at);

-- Uploads between stage and commit.
CREATE TABLE uploads (
    id           TEXT PRIMARY KEY, -- dist_id
    secret_hash  BYTEA NOT NULL UNIQUE, -- of the part of post_url that is its credential
    owner_id     TEXT NOT NULL REFERENCES owners (id),
    package_name TEXT NOT NULL,
    version      TEXT NOT NULL,
    basename     TEXT NOT NULL,
    type         TEXT NOT NULL,
    attrs        JSON NOT NULL,
    dependencies JSON,
    description  TEXT NOT NULL DEFAULT '',
    labels       JSON NOT NULL,
    sha256       TEXT NOT NULL DEFAULT '', -- as the client said, '' if it did not
    created_by   TEXT NOT NULL, -- id of the person
    created_at   TIMESTAMP NOT NULL,
    expires_at   TIMESTAMP NOT NULL,
    received_at  TIMESTAMP,
    accepted     BYTEA, -- what was read from the bytes, kept for the commit
    refused      JSON, -- why the bytes cannot be published, told at the commit
    got_size     BIGINT NOT NULL DEFAULT 0,
    got_md5      TEXT NOT NULL DEFAULT '',
    got_sha256   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX uploads_expires ON uploads (expires_at);

CREATE TABLE download_days (
    file_id TEXT NOT NULL REFERENCES files (id),
    day     TEXT NOT NULL, -- '2026-11-21', UTC
    count   BIGINT NOT NULL,
    PRIMARY KEY (file_id, day)
);
CREATE INDEX download_days_day ON download_days (day);

-- Channel notices (CEP 6), by owner.
CREATE TABLE notices (
    id         TEXT PRIMARY KEY,
    owner_id   TEXT NOT NULL REFERENCES owners (id),
    message    TEXT NOT NULL,
    level      TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP
);
CREATE INDEX notices_owner ON notices (owner_id);

-- Answers kept for repeated requests with the same Idempotency-Key.
CREATE TABLE idempotency (
    actor_id   TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    BYTEA NOT NULL, -- SHA-256 of method, path and body
    status     BIGINT NOT NULL,
    header     JSON NOT NULL,
    body       BYTEA NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (actor_id, key)
);
