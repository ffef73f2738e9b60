package access

import (
	"strings"

	"terrarium/internal/errs"
)

// Verdict is what Can says.
type Verdict struct {
	Allowed  bool
	Readable bool   // the person may know that the object exists, whatever the credential is limited to
	Member   bool   // the actor belongs to the owner: is it, or has a role in it
	Why      string // where not allowed: the missing rule, scope or grant, as a sentence

	verb      Verb
	anonymous bool
}

// Can judges whether an actor may do something with an object. It is the only
// judge: every door, list and page asks it or ReadablePackages, its twin in SQL.
//
// Everybody reads public packages and channels, with whatever credential; for
// the rest a right is needed and a credential that covers it. All rights belong
// to the owner itself and to an organisation's owners and administrators;
// members read internal channels; grants give read, write or admin on an owner
// at large, a channel or a package. A private package opens to grants on itself
// or on its owner, never to one on a channel, and so does a public one that is in
// no channel that the actor may read. A grant to write a channel lets its holder
// put packages there. The settings of an owner are its
// administrators' alone. To be operator gives no right here.
func Can(a Actor, v Verb, o Object) Verdict {
	r := rightsOf(a, o)
	verdict := Verdict{Readable: r.level > 0, Member: r.member, verb: v, anonymous: a.Anonymous()}
	switch {
	case v == Read && r.open:
		verdict.Allowed = true
	case !v.Valid():
		verdict.Why = "There is no right called " + clip(string(v)) + "."
	case r.level < v.rank():
		verdict.Why = lacking(a, v, o, r)
	default:
		verdict.Why = narrowed(a, v, o)
		verdict.Allowed = verdict.Why == ""
	}
	return verdict
}

// rights are what a person holds on an object, before the credential narrows it.
type rights struct {
	level  int  // rank of the highest verb; 0 is nothing
	member bool // belongs to the owner
	open   bool // readable by everybody, or by every account and this is one
}

func rightsOf(a Actor, o Object) rights {
	all := a.Kind == KindSystem
	r := rights{member: all}
	if o.OwnerID != "" && !a.Anonymous() {
		role, hasRole := a.Roles[o.OwnerID]
		r.member = r.member || hasRole || a.ID == o.OwnerID
		all = all || a.ID == o.OwnerID || role.Administers()
	}
	var onOwner, onChannel, onPackage int
	for _, g := range a.Grants {
		switch {
		case a.Anonymous(), g.ObjectID == "":
		case g.ObjectKind == OnOwner && g.ObjectID == o.OwnerID:
			onOwner = max(onOwner, g.Verb.rank())
		case g.ObjectKind == OnChannel && g.ObjectID == o.ChannelID:
			onChannel = max(onChannel, g.Verb.rank())
		case g.ObjectKind == OnPackage && g.ObjectID == o.PackageID:
			onPackage = max(onPackage, g.Verb.rank())
		}
	}
	onChannel = max(onChannel, onOwner)
	onPackage = max(onPackage, onOwner)

	shut := o.isPackage() && (o.Private || o.Closed) // opens only to a right on the package
	var channelOpen bool
	switch {
	case !o.isChannel() || o.Visibility == Public:
		channelOpen, r.open = true, !shut
	case o.Visibility == Authenticated:
		channelOpen, r.open = !a.Anonymous(), !shut && !a.Anonymous()
	case o.Visibility == Internal:
		channelOpen = r.member || onChannel > 0
	default:
		channelOpen = onChannel > 0
	}
	switch {
	case all:
		r.level = Admin.rank()
	case !channelOpen || shut && onPackage == 0:
		r.level = 0
	case o.isPackage():
		r.level = max(Read.rank(), onPackage)
		if o.ChannelID != "" {
			r.level = max(r.level, min(onChannel, Write.rank()))
		}
	case o.isChannel():
		r.level = max(Read.rank(), onChannel)
	default:
		r.level = max(Read.rank(), min(onOwner, Write.rank()))
	}
	return r
}

// lacking says in a sentence which right an actor does not hold.
func lacking(a Actor, v Verb, o Object, r rights) string {
	giver := "An administrator of " + o.OwnerName
	if o.OwnerKind == User {
		giver = o.OwnerName
	}
	switch {
	case a.Anonymous() && v == Read:
		return absent(o)
	case a.Anonymous():
		return "Sign in to change " + o.name() + "."
	case r.level == 0 && r.member:
		return "You belong to " + o.OwnerName + ", but no grant opens " + o.name() + " to you. " + giver + " can give you one."
	case r.level == 0:
		return absent(o)
	case !o.isPackage() && !o.isChannel() && v == Admin:
		return "Only the owners and administrators of " + o.OwnerName + " may do this."
	case v == Admin:
		return "You may not administer " + o.name() + ". " + giver + " can give you the right admin."
	default:
		return "You may read " + o.name() + " but not change it. " + giver + " can give you the right write."
	}
}

// narrowed says in a sentence why the credential of an actor does not cover what
// the person may do, or gives "".
func narrowed(a Actor, v Verb, o Object) string {
	if a.Kind == KindSystem {
		return ""
	}
	if want := wanted(v, o); !a.Scopes.Allow(want) {
		return "This token lacks the scope " + want + ". Make one that has it."
	}
	if a.OrgToken != "" && a.OrgToken != o.OwnerID {
		return "This token belongs to another organisation and acts only there."
	}
	if !a.reaches(o) {
		return "This token is limited to " + strings.Join(a.Resources, ", ") + "."
	}
	if v == Write && o.isPackage() && !o.Private && (o.Visibility == "" || o.Visibility == Public) {
		if err := a.MayPublish(); err != nil {
			return errs.Message(err)
		}
	}
	return ""
}

// reaches reports whether the resources of the token include the object.
func (a Actor) reaches(o Object) bool {
	if len(a.Resources) == 0 {
		return true
	}
	for _, r := range a.Resources {
		if r == o.OwnerName || o.PackageName != "" && r == o.OwnerName+"/"+o.PackageName {
			return true
		}
	}
	return false
}

// MayPublish refuses, as errs.Forbidden, people who have not yet shown that
// their e-mail address is theirs: they neither publish publicly nor make
// organisations.
func (a Actor) MayPublish() error {
	if a.Kind == KindPerson && !a.Verified {
		return errs.New(errs.Forbidden, "Verify your e-mail address first: open the link that was mailed to you. Until then your packages must be private.").Because("unverified")
	}
	return nil
}

// Err gives the refusal that a verdict means, or nil. The object must be the one
// that was judged.
//
// What the caller may not read is errs.NotFound with the sentence of Absent, as
// if it did not exist. Behind the doors "conda" and "pypi" somebody unknown gets
// errs.Unauthenticated instead, also with one sentence for private and absent
// (reason "private-or-absent"), and a member errs.Forbidden. What the caller may
// read and not change is errs.Forbidden, to somebody unknown
// errs.Unauthenticated.
func (v Verdict) Err(o Object) error {
	if v.Allowed {
		return nil
	}
	door := o.Scope == "conda" || o.Scope == "pypi"
	switch {
	case v.anonymous && door && (v.verb == Read || !v.Readable):
		return Hidden(o)
	case v.anonymous && v.verb != Read && v.Readable:
		return errs.New(errs.Unauthenticated, "%s", v.Why)
	case v.Readable, v.Member && door:
		return errs.New(errs.Forbidden, "%s", v.Why)
	default:
		return Absent(o)
	}
}

// Absent makes the errs.NotFound of an object that is not there, or that the
// caller may not know of: the sentence is the same.
func Absent(o Object) error { return errs.New(errs.NotFound, "%s", absent(o)) }

func absent(o Object) string {
	switch o.noun() {
	case "package":
		return "There is no package " + o.name() + ", or it is not open to you."
	case "channel":
		return "There is no channel " + o.name() + ", or it is not open to you."
	default:
		return "There is no user or organisation " + o.OwnerName + "."
	}
}

// Hidden makes the errs.Unauthenticated that somebody unknown gets behind the
// doors "conda" and "pypi" for what is private and for what is not there.
func Hidden(o Object) error {
	noun := "channel"
	if o.Scope == "pypi" {
		noun = "repository"
	}
	return errs.New(errs.Unauthenticated, "This %s is private or does not exist. Sign in, or use a token that may read it.", noun).Because("private-or-absent")
}

// Operates refuses everybody but the operator with a credential that is not
// limited to something. It judges what concerns the instance as a whole, and no
// owner's things.
func Operates(a Actor) error {
	switch {
	case a.Anonymous():
		return errs.New(errs.Unauthenticated, "Sign in as the operator to do this.")
	case !a.Operator:
		return errs.New(errs.Forbidden, "Only the operator may do this.")
	case !a.Scopes.Allow("api:write"), a.OrgToken != "", len(a.Resources) > 0:
		return errs.New(errs.Forbidden, "This token is limited; it cannot do what only the operator may.")
	}
	return nil
}
