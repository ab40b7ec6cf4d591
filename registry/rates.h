/* framecache: how fast a slot goes, steady enough to be told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_RATES_H
#define FCR_RATES_H

#include <glib.h>

#include "fc.h"

G_BEGIN_DECLS

typedef struct
{
  gdouble mean;
  guint looks; /* that are in the mean */
  gdouble told;
} FcrRate;

typedef struct
{
  guint32 generation;
  guint64 head;
  guint64 bytes;
  guint64 newest; /* commit time of the newest frame; 0: none to
                     measure from */
  gboolean stopped;
  FcrRate frames; /* a second */
  FcrRate bits;
} FcrRates;

/* What was measured: `told` follows it, and stays where it is for what is no
 * more than the unrest of measuring. */
void fcr_rate_add (FcrRate *rate, gdouble measured);

/* STAT is a view's first, whose rates are those of its history. */
void fcr_rates_begin (FcrRates *rates, const fc_slot_stat_t *stat);
/* STAT is that of about a second after the look before. */
void fcr_rates_update (FcrRates *rates, const fc_slot_stat_t *stat);
/* The slot stands still, and has no rate. */
void fcr_rates_stop (FcrRates *rates, const fc_slot_stat_t *stat);

G_END_DECLS

#endif /* FCR_RATES_H */
