package users

import "time"

// Deleted says that a user is gone: personal data of theirs must be erased.
type Deleted struct {
	UserID    string    `json:"user_id"`
	DeletedAt time.Time `json:"deleted_at"`
}

// EventType names the event on the bus.
func (Deleted) EventType() string { return "stoa.users.user_deleted.v1" }
