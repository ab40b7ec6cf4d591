/* framecache: how fast a slot goes, steady enough to be told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "rates.h"

/* A rate that differs from the mean by more than this is another one, and the
 * mean begins anew; what differs less is weighed as one look of so many. */
#define JUMP 0.05
#define MEAN_LOOKS 16
/* A mean is told anew when it has left what was told by more than this part of
 * it, and by more than the rounding to three digits alone explains. */
#define UNREST 0.0025
#define STEPS 0.75
/* What comes a second after a stop with no more frames than this is a stream
 * that slow; with more it is one that had paused, and the pause is no measure
 * of it. */
#define SLOW_FRAMES 2

/* Rounded to three digits. */
static gdouble
round_to_digits (gdouble value)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  return g_ascii_strtod (g_ascii_formatd (text, sizeof text, "%.3g", value),
                         NULL);
}

void
fcr_rate_add (FcrRate *rate, gdouble measured)
{
  gdouble step;

  if (!isfinite (measured) || measured <= 0)
    return;
  if (fabs (measured - rate->mean) > JUMP * rate->mean)
    rate->looks = 0;
  rate->looks = MIN (rate->looks + 1, MEAN_LOOKS);
  rate->mean += (measured - rate->mean) / rate->looks;
  step = pow (10, floor (log10 (rate->mean)) - 2);
  if (fabs (rate->mean - rate->told) > MAX (STEPS * step, UNREST * rate->told))
    rate->told = round_to_digits (rate->mean);
}

static void
remember (FcrRates *rates, const fc_slot_stat_t *stat)
{
  rates->generation = stat->generation;
  rates->head = stat->head;
  rates->bytes = stat->bytes_total;
  rates->newest
      = stat->newest_commit_ns != FC_TIME_NONE ? stat->newest_commit_ns : 0;
}

void
fcr_rates_begin (FcrRates *rates, const fc_slot_stat_t *stat)
{
  fcr_rate_add (&rates->frames, stat->frame_rate);
  fcr_rate_add (&rates->bits, stat->bit_rate);
  remember (rates, stat);
}

static gboolean
is_measure (const FcrRates *rates, const fc_slot_stat_t *stat)
{
  return rates->newest != 0 && rates->generation == stat->generation
         && stat->head > rates->head && stat->bytes_total >= rates->bytes
         && stat->newest_commit_ns > rates->newest
         && (!rates->stopped || stat->head - rates->head <= SLOW_FRAMES);
}

void
fcr_rates_update (FcrRates *rates, const fc_slot_stat_t *stat)
{
  if (stat->newest_commit_ns == FC_TIME_NONE || stat->head == rates->head)
    return;
  if (is_measure (rates, stat))
    {
      gdouble seconds
          = (gdouble) (stat->newest_commit_ns - rates->newest) / 1e9;

      fcr_rate_add (&rates->frames,
                    (gdouble) (stat->head - rates->head) / seconds);
      fcr_rate_add (&rates->bits,
                    8.0 * (gdouble) (stat->bytes_total - rates->bytes)
                        / seconds);
    }
  remember (rates, stat);
  rates->stopped = FALSE;
}

void
fcr_rates_stop (FcrRates *rates, const fc_slot_stat_t *stat)
{
  remember (rates, stat);
  rates->frames = rates->bits = (FcrRate){ 0 };
  rates->stopped = TRUE;
}
