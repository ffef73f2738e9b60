-- What the index of a large channel looked like at a generation, so that a start
-- need not read all its rows before it answers. It is derived: whoever finds no row,
-- or one of another format, makes the index from the records.

-- +goose Up

CREATE TABLE index_states (
    channel_id TEXT PRIMARY KEY REFERENCES channels (id),
    generation BIGINT NOT NULL,
    format     BIGINT NOT NULL, -- of entries, and the encoder of the shards
    entries    BYTEA NOT NULL
);
