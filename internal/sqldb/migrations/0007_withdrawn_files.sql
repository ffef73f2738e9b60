-- The last transaction of a large change looks which files were withdrawn since it
-- began; few ever are, and it must not read all of them.

-- +goose Up

CREATE INDEX files_withdrawn ON file_rows (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
