package detect

// Config says how sensitive a Detector is and what it may hold. The zero value is not usable; see Default.
type Config struct {
	// FalsePerDay is how many findings of an entity may be false in a day of quiet telemetry. All thresholds follow from it.
	FalsePerDay float64
	// MaxSeries bounds the series that are watched, MaxSeriesPerEntity those of one entity. Those beyond are counted.
	MaxSeries, MaxSeriesPerEntity int
	// MaxFamilies bounds the metadata that is remembered.
	MaxFamilies int
	// AbsorbMS is how long a new level must last until it is the normal one.
	AbsorbMS int64
	// Peers compares the alike parts of a service, and hosts. It is the one judgement that looks beyond an entity, so the one that sees
	// less when entities are spread over shards.
	Peers bool
	// Seasons, Drift and Silence switch parts off, for backtests.
	Seasons, Drift, Silence bool
}

// Default returns a fifth of a nominal false finding a day for each entity, and the bounds of the all-in-one. Probabilities are for steps, and steps that are off
// come together, so what is measured is about a tenth of the nominal figure.
func Default() Config {
	return Config{
		FalsePerDay: 0.2, MaxSeries: 200_000, MaxSeriesPerEntity: 20_000, MaxFamilies: 50_000,
		AbsorbMS: 2 * hourMS, Peers: true, Seasons: true, Drift: true, Silence: true,
	}
}

// Figures of time that are not settings.
const (
	// judgeMS is the least time between two judgements of a series: what comes more often is averaged first.
	judgeMS = 9_000
	// aloneMS is the interval from which on one sample stands for a time long enough to be judged alone. Faster ones need two of three, those faster
	// than quickMS three of five: half a minute in which something is off most of the time.
	aloneMS    = 60_000
	quickMS    = 13_000
	keptScores = 5
	aloneMore  = 5
	// clumpOfThree and clumpOfFive are how often a single high step is at least taken to be part of two of three or three of five.
	clumpOfThree = 1.0 / 50
	clumpOfFive  = 1.0 / 400
	// warmSteps is how many steps there must be before a series is judged by its past: ten minutes at 15 s.
	warmSteps = 40
	// slowMS and slowSteps are the memory of the slow level and of all spreads, whichever is longer.
	slowMS, slowSteps = 6 * hourMS, 400
	// fastMS and fastSteps are those of the fast level.
	fastMS, fastSteps = 2 * minuteMS, 3
	// flapMS and flapSteps are how soon after its end an episode goes on when the series is off again.
	flapMS, flapSteps = 30 * minuteMS, 24
	// calmMS and calmSteps are how long a series must be normal until its episode ends.
	calmMS, calmSteps = 2 * minuteMS, 3
)
