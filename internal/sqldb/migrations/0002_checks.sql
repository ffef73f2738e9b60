-- Archives whose payload is still to be read as a whole; and shards of the past,
-- which are found in the log of generations now and need no rows.

-- +goose Up

CREATE TABLE unchecked_files (
    file_id TEXT PRIMARY KEY REFERENCES files (id)
);
DROP TABLE shards;
