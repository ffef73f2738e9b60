package access

import (
	"crypto/sha256"
	"encoding/json/v2"
)

// RightsKey tells actors apart that may see different things: equal keys, equal
// answers of Can. It is made of all that Can looks at, and not of the credential
// alone, since rights may change between the moment at which an actor was made
// and the one at which it asks. It is "" for anonymous.
func (a Actor) RightsKey() string {
	switch {
	case a.Anonymous():
		return ""
	case a.rightsKey != "":
		return a.rightsKey
	}
	text, err := json.Marshal([]any{a.Kind, a.ID, a.Operator, a.Verified, a.OrgToken, a.Scopes, a.Resources, a.Roles, a.Grants}, json.Deterministic(true))
	if err != nil {
		return a.ID + "\n" + a.TokenID // texts that are no UTF-8; such an actor cannot exist
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}

// Sealed gives the actor with its key worked out, for one that will ask often.
// Nothing that Can looks at may be changed afterwards.
func (a Actor) Sealed() Actor {
	a.rightsKey = a.RightsKey()
	return a
}

// Whole is the person behind a credential, whatever that is limited to.
func (a Actor) Whole() Actor {
	a.Scopes, a.Resources, a.OrgToken, a.rightsKey = nil, nil, "", ""
	return a
}
