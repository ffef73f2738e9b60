// Package access decides who may do what. It holds the actor (who is asking,
// with which credential), the objects (owner, channel, package) and the one
// function that judges, Can, with the same rule as SQL for lists. Beside them
// stand the things that every part of the domain needs before it may say yes:
// scopes, names of owners, ids, the access generation under which rights are
// cached, and the limits of frequency.
//
// It knows no accounts: package account makes actors and stores grants.
package access

import (
	"crypto/sha256"
	"time"
)

// Kind says what sort of caller an actor is.
type Kind string

// The kinds of actors.
const (
	KindAnonymous Kind = "anonymous" // nobody in particular
	KindPerson    Kind = "person"    // an account, by session or token
	KindWorker    Kind = "worker"    // a build worker
	KindSystem    Kind = "system"    // commands of the operator and the first start
)

// Verb is what an actor wants to do. Write includes Read, Admin includes Write.
type Verb string

// The verbs, in rising order.
const (
	Read  Verb = "read"
	Write Verb = "write"
	Admin Verb = "admin"
)

// rank orders verbs; 0 is no verb at all.
func (v Verb) rank() int {
	switch v {
	case Read:
		return 1
	case Write:
		return 2
	case Admin:
		return 3
	default:
		return 0
	}
}

// Valid reports whether v is one of the three verbs.
func (v Verb) Valid() bool { return v.rank() > 0 }

// Role is what a person is in an organisation.
type Role string

// The roles. Owners and administrators have all rights on what the organisation
// holds; only owners make owners.
const (
	RoleOwner         Role = "owner"
	RoleAdministrator Role = "administrator"
	RoleMember        Role = "member"
)

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool {
	return r == RoleOwner || r == RoleAdministrator || r == RoleMember
}

// Administers reports whether the role carries all rights on what the
// organisation holds.
func (r Role) Administers() bool { return r == RoleOwner || r == RoleAdministrator }

// The kinds of owners.
const (
	User         = "user"
	Organization = "organization"
)

// The visibilities of channels.
const (
	Public        = "public"        // everybody
	Authenticated = "authenticated" // every account
	Internal      = "internal"      // members of the organisation
	Private       = "private"       // grants
)

// The kinds of objects that a grant can name.
const (
	OnOwner   = "owner"
	OnChannel = "channel"
	OnPackage = "package"
)

// Grant is one right that an actor holds, by itself or through a group. A group
// that reaches all packages yields a grant on the owner.
type Grant struct {
	ObjectKind string // OnOwner, OnChannel, OnPackage
	ObjectID   string
	Verb       Verb
	GroupID    string // "" where the person holds it
	GroupName  string
}

// Actor is who is asking. It is a value, made only by account.Authenticate,
// account.ActorOf, System and Anonymous. Its maps and lists are shared with
// other values of the same credential and must not be changed.
type Actor struct {
	Kind       Kind
	ID, Name   string // owner id and name of the person; "" for anonymous and system
	Operator   bool
	Verified   bool            // may publish publicly and make organisations
	Credential string          // "", "session", "password", "token ID", "command"
	TokenID    string          // of the token used, or ""
	TokenEnds  time.Time       // when the token used ends; zero: never, or no token
	OrgToken   string          // id of the organisation that owns the token and to which it is limited, or ""
	Scopes     Scopes          // of the credential; empty is everything
	Resources  []string        // "OWNER", "OWNER/PACKAGE" to which the token is limited; empty is everything
	Roles      map[string]Role // by id of the organisation
	Grants     []Grant
	Remote     string // address of the client, without port
	Agent      string // its User-Agent
	RequestID  string
	Made       Made

	rightsKey string // of Sealed
}

// Made says of what an actor was made, and under which access generation. A request
// learns who asks before it reads its body, which may take an hour; what it then
// writes makes the actor again, in the transaction, where it is not current any more.
type Made struct {
	Generation int64
	Hash       [sha256.Size]byte // of the token or the session's key; zero where the person is known otherwise
	Cookie     bool              // it is a session's
	Ends       time.Time         // of the token or the session; zero never
}

// Current reports whether an actor is what its credential stands for still, at an
// access generation and a time.
func (a Actor) Current(generation int64, now time.Time) bool {
	return a.Kind != KindPerson || a.Made.Generation == generation && (a.Made.Ends.IsZero() || now.Before(a.Made.Ends))
}

// Request is where a call comes from, for actors and audit rows.
type Request struct {
	Remote    string // address of the client, without port
	Agent     string // its User-Agent
	RequestID string
}

// Anonymous makes the actor of a caller without a credential.
func Anonymous(remote string) Actor {
	return Actor{Kind: KindAnonymous, Remote: remote}
}

// System makes the actor of the operator's commands and of the first start. It
// may do everything.
func System() Actor {
	return Actor{Kind: KindSystem, Operator: true, Verified: true, Credential: "command"}
}

// From gives the actor with another origin.
func (a Actor) From(r Request) Actor {
	a.Remote, a.Agent, a.RequestID = r.Remote, r.Agent, r.RequestID
	return a
}

// Anonymous reports whether nobody in particular is asking. The zero Actor is
// anonymous.
func (a Actor) Anonymous() bool { return a.Kind == KindAnonymous || a.Kind == "" }

// Object is what an actor wants to read or change. An owner alone, a channel of
// it, a package of it, or a package in a channel; which one, its ids say.
type Object struct {
	OwnerID, OwnerName string
	OwnerKind          string // User or Organization; "" where it does not matter
	ChannelID          string
	Channel            string // its name, for sentences
	Visibility         string // of the channel; "" where no channel is involved
	PackageID          string
	PackageName        string
	Private            bool // the package is private
	// Closed says that the package is in no channel that the actor may read: it
	// then is as closed as a private one. ClosedPackages finds it out.
	Closed bool
	// Scope is the family of scopes that the door asks for, "api" (also ""),
	// "conda" or "pypi", or one scope in full such as "api:modify-group",
	// which then stands for changes.
	Scope string
}

// name gives the object the way people write it: acme, acme/dev, acme/rasterio.
func (o Object) name() string {
	switch {
	case o.PackageName != "":
		return o.OwnerName + "/" + o.PackageName
	case o.Channel != "":
		return o.OwnerName + "/" + o.Channel
	default:
		return o.OwnerName
	}
}

func (o Object) noun() string {
	switch {
	case o.isPackage():
		return "package"
	case o.ChannelID != "" || o.Channel != "":
		return "channel"
	case o.OwnerKind == Organization:
		return "organisation"
	case o.OwnerKind == User:
		return "user"
	default:
		return "owner"
	}
}

func (o Object) isPackage() bool { return o.PackageID != "" || o.PackageName != "" }

func (o Object) isChannel() bool { return o.ChannelID != "" || o.Visibility != "" }
