package rest

import (
	"context"
	"net/http"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type changePassword struct {
	Body struct {
		CurrentPassword string `json:"current_password" maxLength:"256" writeOnly:"true"`
		NewPassword     string `json:"new_password" minLength:"10" maxLength:"256" writeOnly:"true"`
	}
}

type requestReset struct {
	Body struct {
		Email string `json:"email" maxLength:"254" example:"ada@example.com"`
	}
}

type resetPassword struct {
	Token string `path:"token" maxLength:"256" doc:"The token that was mailed."`
	Body  struct {
		Password string `json:"password" minLength:"10" maxLength:"256" writeOnly:"true"`
	}
}

func (h routes) registerPasswords() {
	web.Register(h.router, web.Operation{
		ID: "change-password", Method: http.MethodPost, Path: "/users/me/password", Access: web.SignedIn, Status: http.StatusNoContent,
		Summary: "Change one's password", Description: "All other sessions end.",
		Errors: []*errs.Error{users.ErrInvalidCredentials, users.ErrTooManyAttempts},
	}, h.changePassword)
	web.Register(h.router, web.Operation{
		ID: "request-password-reset", Method: http.MethodPost, Path: "/password-resets", NoIdentity: true, Status: http.StatusAccepted, Limit: "reset",
		Summary: "Ask for a password reset", Description: "Mails a token to the account's address. The answer is the same where there is no such account.",
	}, h.requestReset)
	web.Register(h.router, web.Operation{
		ID: "reset-password", Method: http.MethodPost, Path: "/password-resets/{token}", NoIdentity: true, Status: http.StatusNoContent, Limit: "reset",
		Summary: "Set a new password by a token", Description: "The token is good once. All sessions end.",
		Errors: []*errs.Error{users.ErrResetNotFound},
	}, h.resetPassword)
}

func (h routes) changePassword(ctx context.Context, in *changePassword) (*struct{}, error) {
	return nil, ofCaller(h.service.ChangePassword(ctx, service.ChangePasswordRequest{
		Identity: caller(ctx), Current: in.Body.CurrentPassword, New: in.Body.NewPassword, Address: web.ClientIP(ctx),
	}))
}

func (h routes) requestReset(ctx context.Context, in *requestReset) (*struct{}, error) {
	return nil, h.service.RequestReset(ctx, in.Body.Email)
}

func (h routes) resetPassword(ctx context.Context, in *resetPassword) (*struct{}, error) {
	return nil, h.service.ResetPassword(ctx, in.Token, in.Body.Password)
}
