-- The last transaction of a large change, for which everybody waits, looks which files
-- of its owner were withdrawn, or deleted since it began: it must read those alone, and
-- of what others have deleted only the index.

-- +goose Up

CREATE INDEX files_withdrawn ON file_rows (owner_id) WHERE withdrawn_at IS NOT NULL;
DROP INDEX files_deleted;
CREATE INDEX files_deleted ON file_rows (deleted_at, owner_id, id) WHERE deleted_at IS NOT NULL;
