/* Rates: true to a quarter of a percent, and told only when they change.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "fcr-test.h"
#include "rates.h"

/* A stream of frames of BYTES bytes, as looked at once a second. */
typedef struct
{
  FcrRates rates;
  fc_slot_stat_t stat;
  uint64_t chance;
  uint64_t jitter; /* ns, that a commit comes late at the most */
  double next;     /* commit time of the next frame, s */
  double now;
} stream_t;

static stream_t
stream_new (uint64_t jitter)
{
  return (stream_t){ .stat
                     = { .generation = 1, .newest_commit_ns = FC_TIME_NONE },
                     .jitter = jitter,
                     .next = 1000,
                     .now = 1000 };
}

static void
look_second (stream_t *stream, double fps, uint64_t bytes)
{
  fc_slot_stat_t *stat = &stream->stat;

  stream->now += 1;
  for (; fps > 0 && stream->next < stream->now; stream->next += 1 / fps)
    {
      uint64_t late
          = stream->jitter > 0 ? chance (&stream->chance) % stream->jitter : 0;

      stat->head++;
      stat->bytes_total += bytes;
      stat->newest_commit_ns = (uint64_t) (stream->next * 1e9) + late;
    }
  fcr_rates_update (&stream->rates, stat);
}

/* How often what is told changes in that many looks. */
static unsigned
changes (stream_t *stream, double fps, unsigned looks)
{
  unsigned count = 0;

  while (looks-- > 0)
    {
      double told = stream->rates.frames.told;

      look_second (stream, fps, 1000);
      count += stream->rates.frames.told != told;
    }
  return count;
}

static void
a_steady_stream_is_told_once (void)
{
  const double rates[]
      = { 1000,  240, 144, 120,    119.88, 100,  60, 59.94, 50, 47.952, 30,
          29.97, 25,  24,  23.976, 15,     12.5, 10, 7.5,   5,  2,      1 };

  for (size_t i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      stream_t stream = stream_new (MS / 4);

      changes (&stream, rates[i], 3);
      if (fabs (stream.rates.frames.told / rates[i] - 1) > 0.005)
        test_fail (__FILE__, __LINE__, "%g is told as %g", rates[i],
                   stream.rates.frames.told);
      if (changes (&stream, rates[i], 1000) > 0)
        test_fail (__FILE__, __LINE__, "%g does not stay: %g", rates[i],
                   stream.rates.frames.told);
    }
}

/* Half-way between two roundings is where one would go to and fro. */
static void
a_rate_between_two_roundings_stays (void)
{
  const double rates[] = { 100.5, 60.05, 29.95, 12.45, 10.05, 5.015, 1.005 };

  for (size_t i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      stream_t stream = stream_new (MS / 4);

      changes (&stream, rates[i], 20);
      if (changes (&stream, rates[i], 1000) > 0)
        test_fail (__FILE__, __LINE__, "%g does not stay: %g", rates[i],
                   stream.rates.frames.told);
    }
}

/* Frames that come up to 15 ms late, as of a busy machine: a look alone is off
 * by one percent. */
static void
a_restless_stream_stays (void)
{
  const double rates[] = { 240, 120, 99.95, 60, 59.94, 50, 30, 29.97, 25 };

  for (size_t i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      stream_t stream = stream_new (15 * MS);
      unsigned count;

      changes (&stream, rates[i], 40);
      count = changes (&stream, rates[i], 10000);
      /* What it began with may have been just within what is unrest. */
      if (count > 2)
        test_fail (__FILE__, __LINE__, "%g: told %u times", rates[i], count);
      if (fabs (stream.rates.frames.told / rates[i] - 1) > 0.005)
        test_fail (__FILE__, __LINE__, "%g is told as %g", rates[i],
                   stream.rates.frames.told);
    }
}

static void
unrest_is_not_told (void)
{
  FcrRate rate = { 0 };

  fcr_rate_add (&rate, 59.97);
  for (int i = 0; i < 100; i++)
    {
      fcr_rate_add (&rate, i % 2 ? 59.97 : 60.02);
      CHECK (rate.told == 60);
    }
}

static void
three_digits_are_told (void)
{
  const double rates[][2]
      = { { 59.94, 59.9 },    { 29.97, 30 },        { 23.976, 24 },
          { 0.33333, 0.333 }, { 1234567, 1230000 }, { 248832000, 249000000 },
          { 99.97, 100 } };

  for (size_t i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      FcrRate rate = { 0 };

      fcr_rate_add (&rate, rates[i][0]);
      CHECK (rate.told == rates[i][1]);
    }
}

static void
a_change_is_told_at_once (void)
{
  stream_t stream = stream_new (0);

  changes (&stream, 60, 20);
  CHECK (stream.rates.frames.told == 60);
  look_second (&stream, 30, 1000);
  CHECK (fabs (stream.rates.frames.told - 30) < 1);
  changes (&stream, 30, 20);
  CHECK (fabs (stream.rates.frames.told - 30) < 0.1);
  /* The bit rate is its own. */
  look_second (&stream, 30, 4000);
  CHECK (fabs (stream.rates.bits.told - 960e3) < 10e3);
  CHECK (fabs (stream.rates.frames.told - 30) < 0.1);
}

static void
a_drift_is_followed (void)
{
  stream_t stream = stream_new (0);
  double fps = 50;

  for (; fps < 60; fps += 0.01)
    {
      look_second (&stream, fps, 1000);
      if (stream.rates.frames.told > 0
          && fabs (stream.rates.frames.told / fps - 1) > 0.01)
        test_fail (__FILE__, __LINE__, "%g is told as %g", fps,
                   stream.rates.frames.told);
    }
}

static void
a_slow_stream_has_a_rate (void)
{
  stream_t stream = stream_new (MS);

  changes (&stream, 0.3, 10);
  CHECK (fabs (stream.rates.frames.told - 0.3) < 0.002);
  CHECK_EQ (changes (&stream, 0.3, 200), 0);
}

static void
a_pause_is_no_rate (void)
{
  stream_t stream = stream_new (0);

  changes (&stream, 60, 5);
  fcr_rates_stop (&stream.rates, &stream.stat);
  CHECK (stream.rates.frames.told == 0 && stream.rates.bits.told == 0);
  stream.now += 60;
  stream.next = stream.now + 0.5;
  look_second (&stream, 60, 1000);
  CHECK (stream.rates.frames.told == 0);
  look_second (&stream, 60, 1000);
  CHECK (fabs (stream.rates.frames.told - 60) < 0.2);
}

static void
a_slow_stream_is_measured_across_a_stop (void)
{
  stream_t stream = stream_new (0);

  look_second (&stream, 0.25, 1000);
  fcr_rates_stop (&stream.rates, &stream.stat);
  changes (&stream, 0.25, 4);
  CHECK (stream.rates.frames.told == 0.25);
}

static void
a_new_ring_is_no_jump (void)
{
  stream_t stream = stream_new (0);

  changes (&stream, 60, 5);
  stream.stat.generation++;
  stream.stat.bytes_total = 0;
  CHECK_EQ (changes (&stream, 60, 5), 0);
  /* Made anew under the same name: nothing of it goes on. */
  stream.stat.head = 3;
  stream.stat.bytes_total = 0;
  CHECK_EQ (changes (&stream, 60, 5), 0);
  CHECK (stream.rates.frames.told == 60);
}

static void
a_ring_that_lies_does_no_harm (void)
{
  const uint64_t words[] = { 0, 1, UINT64_MAX - 1, UINT64_MAX, INT64_MAX };
  FcrRates rates = { 0 };
  fc_slot_stat_t stat = { .generation = 1 };

  for (size_t i = 0; i < 125; i++)
    {
      stat.head = words[i % 5];
      stat.bytes_total = words[i / 5 % 5];
      stat.newest_commit_ns = words[i / 25];
      stat.frame_rate = i % 2 ? INFINITY : NAN;
      fcr_rates_update (&rates, &stat);
      fcr_rates_begin (&rates, &stat);
      CHECK (isfinite (rates.frames.told) && rates.frames.told >= 0);
      CHECK (isfinite (rates.bits.told) && rates.bits.told >= 0);
    }
}

static const test_t tests[] = {
  TEST (a_steady_stream_is_told_once),
  TEST (a_rate_between_two_roundings_stays),
  TEST (a_restless_stream_stays),
  TEST (unrest_is_not_told),
  TEST (three_digits_are_told),
  TEST (a_change_is_told_at_once),
  TEST (a_drift_is_followed),
  TEST (a_slow_stream_has_a_rate),
  TEST (a_pause_is_no_rate),
  TEST (a_slow_stream_is_measured_across_a_stop),
  TEST (a_new_ring_is_no_jump),
  TEST (a_ring_that_lies_does_no_harm),
};

TEST_MAIN (tests)
