//go:build unix

// Command mutate changes the code a little, a hundred times, and says which
// changes no test notices.
//
// There are two kinds of changes. The kept ones ([kept]) have a meaning: an
// error is ignored, a hash is not checked; all of them must be noticed. The
// others are made by rules from the syntax: conditions that always or never
// hold, comparisons moved by one, statements that never run, errors forgotten,
// functions that return at once, operators and constants exchanged. Of these a
// sample is tried that a seed decides, and a share must be noticed. A change
// that nobody can notice is listed with its reason in equivalent.txt.
//
// The tree is not touched: a changed file is laid over its original when the
// tests are built. Tests run with -short -failfast; one that does not end has
// noticed the change as well.
//
//	make mutate ARGS='-n 30 -only internal/driver'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

type config struct {
	n        int
	seed     uint64
	only     string
	parallel int
	least    float64
	kept     bool
	list     bool
}

func main() {
	var c config
	flag.IntVar(&c.n, "n", 100, "try so many changes made by rules; 0 tries all there are")
	flag.Uint64Var(&c.seed, "seed", 1, "which sample of them")
	flag.StringVar(&c.only, "only", "", "change only packages whose path begins so, separated by commas")
	flag.IntVar(&c.parallel, "p", 2, "try so many at a time")
	flag.Float64Var(&c.least, "least", 95, "the least share of the sample, in percent, that must be noticed")
	flag.BoolVar(&c.kept, "kept", false, "try the kept changes alone")
	flag.BoolVar(&c.list, "list", false, "print what would be tried, and try nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	root, err := repository()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shoal-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newRunner(root, dir)
	if err != nil {
		return err
	}
	// Each change leaves compiled packages behind; they go with the folder.
	r.cache = filepath.Join(dir, "cache")
	every, err := targets(root)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(slices.Clone(every), func(t *target) bool { return !chosen(t.path, c.only) })
	if len(all) == 0 {
		return fmt.Errorf("no package that is changed begins with %q", c.only)
	}

	var bad []error
	var meant []*mutant
	for i := range kept {
		switch m, err := kept[i].find(root, every); {
		case err != nil:
			bad = append(bad, err)
		case chosen(m.pkg.path, c.only):
			meant = append(meant, m)
		}
	}
	sample, passed, err := pick(root, all, c)
	if err != nil {
		return err
	}
	if c.kept {
		sample, passed = nil, 0
	}
	if c.list {
		for _, m := range append(meant, sample...) {
			fmt.Println(m)
		}
		return errors.Join(bad...)
	}

	fmt.Printf("== kept changes: %d\n", len(meant))
	k, err := tryAll(ctx, r, meant, len(meant), c.parallel)
	if err != nil {
		return err
	}
	if k.unviable > 0 {
		bad = append(bad, fmt.Errorf("%d kept changes do not compile", k.unviable))
	}
	if len(k.survivors) > 0 {
		bad = append(bad, fmt.Errorf("%d kept changes were not noticed", len(k.survivors)))
	}
	n := c.n
	if n == 0 || n > len(sample) {
		n = len(sample)
	}
	fmt.Printf("== changes made by rules: %d of %d, seed %d; %d more cannot be noticed\n", n, len(sample), c.seed, passed)
	s, err := tryAll(ctx, r, sample, n, c.parallel)
	if err != nil {
		return err
	}
	fmt.Printf("\nkept: %d of %d noticed\n", k.noticed, k.noticed+len(k.survivors))
	if tried := s.noticed + len(s.survivors); tried > 0 {
		share := 100 * float64(s.noticed) / float64(tried)
		fmt.Printf("by rules: %d of %d noticed (%.1f %%), %d did not compile; wanted %.0f %% or more\n", s.noticed, tried, share, s.unviable, c.least)
		if share < c.least {
			bad = append(bad, fmt.Errorf("%.1f %% were noticed, %.0f %% are wanted", share, c.least))
		}
	}
	return errors.Join(bad...)
}

// pick returns the changes made by rules in the order in which they are tried,
// which the seed decides, without those that cannot be noticed, and how many
// those are.
func pick(root string, all []*target, c config) (order []*mutant, equal int, err error) {
	equals, err := parseEquivalents(equivalentText)
	if err != nil {
		return nil, 0, fmt.Errorf("equivalent.txt: %w", err)
	}
	for _, t := range all {
		found, err := mutants(root, t)
		if err != nil {
			return nil, 0, err
		}
		for _, m := range found {
			if equals[m.key()] != "" {
				equal++
				continue
			}
			order = append(order, m)
		}
	}
	rand.New(rand.NewPCG(c.seed, 0)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order, equal, nil
}

// result is what became of a list of mutants.
type result struct {
	noticed, unviable int
	survivors         []*mutant
}

// tryAll tries mutants until n of them have compiled, and prints each that survives.
func tryAll(ctx context.Context, r *runner, all []*mutant, n, parallel int) (result, error) {
	var (
		res  result
		mu   sync.Mutex
		next int
		open int // being tried
		fail error
		wg   sync.WaitGroup
	)
	// claim takes the next one as long as those being tried may not be enough.
	claim := func() *mutant {
		mu.Lock()
		defer mu.Unlock()
		if fail != nil || next == len(all) || res.noticed+len(res.survivors)+open >= n {
			return nil
		}
		open++
		next++
		return all[next-1]
	}
	for range parallel {
		wg.Go(func() {
			for m := claim(); m != nil; m = claim() {
				v := survived
				timeout, err := r.prepare(ctx, m.pkg)
				if err == nil {
					v, err = r.try(ctx, m, timeout)
				}
				mu.Lock()
				open--
				switch {
				case err != nil && fail == nil:
					fail = err
				case err != nil: // the others fail for the same reason
				case v == noticed:
					res.noticed++
				case v == unviable && m.name != "":
					fmt.Println("does not compile:", m)
					res.unviable++
				case v == unviable:
					res.unviable++
				default:
					fmt.Println("not noticed:", m)
					res.survivors = append(res.survivors, m)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return res, fail
}
