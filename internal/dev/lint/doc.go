// Package lint holds the tests that keep the house in order.
//
// They read the source: which package imports which, on every platform, what a
// pure package may not do, what the tab's program may not carry. Each rule
// stands with its reason.
package lint
