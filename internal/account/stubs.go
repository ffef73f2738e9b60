package account

import (
	"context"
	"errors"
	"time"

	"terrarium/internal/access"
)

// Credential is what a caller shows. Scheme is "token", "bearer", "basic",
// "path" or "cookie"; without a Value the caller is anonymous.
type Credential struct {
	Scheme string
	Value  string
	User   string // of Basic; it is ignored
}

type (
	hashing    struct{}
	actorCache struct{}
	usedTokens struct{}
)

const minPassword = 7

func newHashing(uint32) *hashing { return &hashing{} }

func (a *Accounts) Authenticate(ctx context.Context, c Credential, from access.Request) (access.Actor, error) {
	return access.Actor{}, errors.ErrUnsupported
}
func (a *Accounts) ActorOf(ctx context.Context, userID, credential string, from access.Request) (access.Actor, error) {
	return access.Actor{}, errors.ErrUnsupported
}
func (a *Accounts) FlushUsed(ctx context.Context) error { return errors.ErrUnsupported }

func (a *Accounts) SignUp(ctx context.Context, actor access.Actor, s SignUp) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) CheckName(ctx context.Context, name string) error { return errors.ErrUnsupported }
func (a *Accounts) Invite(ctx context.Context, actor access.Actor, email string) (link string, err error) {
	return "", errors.ErrUnsupported
}
func (a *Accounts) SignIn(ctx context.Context, actor access.Actor, nameOrEmail, password string) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) BeginSession(ctx context.Context, from access.Request) (cookie string, expires time.Time, err error) {
	return "", time.Time{}, errors.ErrUnsupported
}
func (a *Accounts) CreateSession(ctx context.Context, u User, from access.Request, keep bool) (cookie string, expires time.Time, err error) {
	return "", time.Time{}, errors.ErrUnsupported
}
func (a *Accounts) EndSession(ctx context.Context, actor access.Actor, cookie string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RevokeSession(ctx context.Context, actor access.Actor, id string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RevokeSessions(ctx context.Context, actor access.Actor, exceptCookie string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) Sessions(ctx context.Context, actor access.Actor, cookie string) ([]Session, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) SessionValues(ctx context.Context, cookie string) (map[string]string, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) SetSessionValues(ctx context.Context, cookie string, values map[string]string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) VerifyEmail(ctx context.Context, actor access.Actor, code string) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) ResendVerification(ctx context.Context, actor access.Actor) error {
	return errors.ErrUnsupported
}
func (a *Accounts) ForgotUsername(ctx context.Context, actor access.Actor, email string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) ForgotPassword(ctx context.Context, actor access.Actor, nameOrEmail string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) CheckReset(ctx context.Context, code string) error { return errors.ErrUnsupported }
func (a *Accounts) ResetPassword(ctx context.Context, actor access.Actor, code, password, password2 string) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) HasOperator(ctx context.Context) (bool, error) { return false, errors.ErrUnsupported }
func (a *Accounts) SetupLink(ctx context.Context) (code string, err error) {
	return "", errors.ErrUnsupported
}
func (a *Accounts) CheckSetup(ctx context.Context, code string) error { return errors.ErrUnsupported }
func (a *Accounts) CreateOperator(ctx context.Context, actor access.Actor, code string, s SignUp) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) CreateUser(ctx context.Context, actor access.Actor, n NewUser) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) Users(ctx context.Context, actor access.Actor, f UserFilter) ([]User, string, error) {
	return nil, "", errors.ErrUnsupported
}
func (a *Accounts) User(ctx context.Context, actor access.Actor, name string) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (a *Accounts) DisableUser(ctx context.Context, actor access.Actor, name string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) EnableUser(ctx context.Context, actor access.Actor, name string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) SetPassword(ctx context.Context, actor access.Actor, name, password string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) ChangePassword(ctx context.Context, actor access.Actor, old, password, password2, keepCookie string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) CreateToken(ctx context.Context, actor access.Actor, n NewToken) (Token, string, error) {
	return Token{}, "", errors.ErrUnsupported
}
func (a *Accounts) Tokens(ctx context.Context, actor access.Actor, owner string) ([]Token, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) CurrentToken(ctx context.Context, actor access.Actor) (Token, error) {
	return Token{}, errors.ErrUnsupported
}
func (a *Accounts) RevokeToken(ctx context.Context, actor access.Actor, owner, nameOrID string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RevokeCurrent(ctx context.Context, actor access.Actor) error {
	return errors.ErrUnsupported
}
func (a *Accounts) Owner(ctx context.Context, name string) (Owner, error) {
	return Owner{}, errors.ErrUnsupported
}
func (a *Accounts) OwnerByID(ctx context.Context, id string) (Owner, error) {
	return Owner{}, errors.ErrUnsupported
}
func (a *Accounts) UpdateProfile(ctx context.Context, actor access.Actor, owner string, p Profile) error {
	return errors.ErrUnsupported
}
func (a *Accounts) EnsureMirrorOwners(ctx context.Context) error { return errors.ErrUnsupported }
func (a *Accounts) CreateOrganization(ctx context.Context, actor access.Actor, name, email string) (Organization, error) {
	return Organization{}, errors.ErrUnsupported
}
func (a *Accounts) OrganizationsOf(ctx context.Context, actor access.Actor, user string) ([]Organization, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) Members(ctx context.Context, actor access.Actor, org string) ([]Member, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) AddMember(ctx context.Context, actor access.Actor, org, user string, role access.Role) error {
	return errors.ErrUnsupported
}
func (a *Accounts) SetRole(ctx context.Context, actor access.Actor, org, user string, role access.Role) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RemoveMember(ctx context.Context, actor access.Actor, org, user string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) Groups(ctx context.Context, actor access.Actor, org string) ([]Group, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) Group(ctx context.Context, actor access.Actor, org, group string) (Group, error) {
	return Group{}, errors.ErrUnsupported
}
func (a *Accounts) CreateGroup(ctx context.Context, actor access.Actor, org string, n NewGroup) (Group, error) {
	return Group{}, errors.ErrUnsupported
}
func (a *Accounts) UpdateGroup(ctx context.Context, actor access.Actor, org, group string, n NewGroup) (Group, error) {
	return Group{}, errors.ErrUnsupported
}
func (a *Accounts) DeleteGroup(ctx context.Context, actor access.Actor, org, group string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) GroupMembers(ctx context.Context, actor access.Actor, org, group string) ([]Member, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) AddGroupMember(ctx context.Context, actor access.Actor, org, group, user string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RemoveGroupMember(ctx context.Context, actor access.Actor, org, group, user string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) GroupPackages(ctx context.Context, actor access.Actor, org, group string) ([]GroupPackage, error) {
	return nil, errors.ErrUnsupported
}
func (a *Accounts) AddGroupPackage(ctx context.Context, actor access.Actor, org, group, pkg string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) RemoveGroupPackage(ctx context.Context, actor access.Actor, org, group, pkg string) error {
	return errors.ErrUnsupported
}
func (a *Accounts) Grant(ctx context.Context, actor access.Actor, s Subject, o access.Object, v access.Verb) error {
	return errors.ErrUnsupported
}
func (a *Accounts) Revoke(ctx context.Context, actor access.Actor, s Subject, o access.Object) error {
	return errors.ErrUnsupported
}
func (a *Accounts) AccessTo(ctx context.Context, actor access.Actor, o access.Object) ([]Access, error) {
	return nil, errors.ErrUnsupported
}
