package sqldb

// The points in which statements differ between the engines, as snippets of
// SQL to be put together with the rest of the text.

// ForUpdate ends a SELECT whose rows the transaction is going to change:
// "FOR UPDATE" on PostgreSQL, nothing on SQLite, which has one writer anyway.
func (db *DB) ForUpdate() string {
	if db.postgres {
		return " FOR UPDATE"
	}
	return ""
}

// ForKeyShare ends a SELECT of a row that the transaction relies on, as a foreign key
// to it does: whoever locks that row for an update waits for the transaction to end.
func (db *DB) ForKeyShare() string {
	if db.postgres {
		return " FOR KEY SHARE"
	}
	return ""
}

// ForShare ends a SELECT of a row that many transactions may rely on at once: only
// ForNoKeyUpdate, and those that change the row, wait for them to end.
func (db *DB) ForShare() string {
	if db.postgres {
		return " FOR SHARE"
	}
	return ""
}

// ForNoKeyUpdate is ForUpdate for a row to which foreign keys are written meanwhile.
func (db *DB) ForNoKeyUpdate() string {
	if db.postgres {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// SkipLocked ends a SELECT that claims rows which nobody else is claiming.
func (db *DB) SkipLocked() string {
	if db.postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// EachText is a table, for FROM, with one row for each text of the JSON list
// that the parameter holds, in a column named value. It stands for = ANY and for
// inserts of many rows. The argument is a []string or such a list as text:
//
//	"SELECT … FROM packages JOIN "+db.EachText("$1")+" AS wanted ON wanted.value = packages.name"
func (db *DB) EachText(param string) string {
	if db.postgres {
		return "json_array_elements_text(CAST(" + param + " AS JSON))"
	}
	return "json_each(" + param + ")"
}

// EachObject is a table like EachText for a JSON list of objects; their fields
// are read as value ->> 'name', cast where they are not text.
func (db *DB) EachObject(param string) string {
	if db.postgres {
		return "json_array_elements(CAST(" + param + " AS JSON))"
	}
	return "json_each(" + param + ")"
}
