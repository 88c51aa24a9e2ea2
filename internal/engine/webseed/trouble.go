package webseed

import "time"

// trouble reacts to a flight that ended before it was complete. rest are its
// blocks that are still wanted.
func (m *Machine) trouble(ev Ended, f *flight, rest []Block) {
	m.why = ev.Problem
	switch ev.Problem.Kind {
	case Wrong:
		m.giveUp(ev.Problem)
	case Gone:
		m.gone(f, ev.Part, rest)
	case Busy:
		if len(m.flights) > 0 {
			m.most = 1 // it may only be that one request at a time is enough
		}
		m.rest(ev.Problem.Wait, rest)
	case Cut:
		if m.cuts++; m.cuts >= maxCuts {
			m.giveUp(&Problem{Kind: Wrong, Why: "the server does not finish its answers"})
			return
		}
		m.rest(0, rest)
	default:
		m.rest(0, rest)
	}
}

// rest leaves the server alone: for wait, or for twice as long as the last time.
// Flights that are on their way go on.
func (m *Machine) rest(wait time.Duration, refused []Block) {
	if wait <= 0 {
		wait = min(mostRest, firstRest<<min(m.failures, 10))
	}
	m.failures++
	if until := m.now.Add(wait); until.After(m.until) {
		m.until = until
	}
	if !m.resting {
		m.resting = true
		m.do(Rest{On: true})
	}
	if refused = append(refused, m.queue.clear()...); len(refused) > 0 {
		m.do(Refuse{refused})
	}
}

// gone takes back the pieces of a file that the server does not have.
func (m *Machine) gone(f *flight, part int, rest []Block) {
	file := -1
	if part < len(f.parts) && !f.parts[part].Pieces {
		file = f.parts[part].file
	}
	if file < 0 {
		m.giveUp(m.why)
		return
	}
	m.lacks = m.why
	first, end := m.cfg.Info.PieceRange(file)
	for i := first; i < end; i++ {
		m.offer.Clear(i)
	}
	if m.offer.Count() == 0 {
		m.giveUp(m.why)
		return
	}
	m.do(Offer{m.offer.Clone()})
	var refused []Block
	for _, b := range append(rest, m.queue.clear()...) {
		if m.offer.Has(int(b.Index)) {
			m.queue.add(b)
		} else {
			refused = append(refused, b)
		}
	}
	if len(refused) > 0 {
		m.do(Refuse{refused})
	}
}

func (m *Machine) giveUp(why *Problem) {
	m.over, m.why = true, why
	for _, f := range m.flights {
		m.do(Abort{f.id})
	}
	m.flights = nil
	m.do(GiveUp{why})
}
