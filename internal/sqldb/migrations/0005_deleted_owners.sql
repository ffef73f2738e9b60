-- Owners that were deleted: until erase_begun_at their deletion can be undone,
-- from erased_at on nothing is left of them but a name that stays reserved and,
-- without it, the row that the log refers to.

-- +goose Up

ALTER TABLE owners ADD COLUMN deleted_by TEXT NOT NULL DEFAULT ''; -- name of who did it
ALTER TABLE owners ADD COLUMN erase_begun_at TIMESTAMP;
ALTER TABLE owners ADD COLUMN erased_at TIMESTAMP;
CREATE INDEX owners_deleted ON owners (deleted_at) WHERE deleted_at IS NOT NULL;
