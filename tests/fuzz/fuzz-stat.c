/* What a slot's files say of it in numbers, for all that fcctl and the registry
 * work out from them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <stdlib.h>

#include "fcctl.h"
#include "fuzz.h"
#include "rates.h"

#define LOOKS 4

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  return 0;
}

static fc_slot_stat_t
take_slot (fuzz_t *in)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  stat.state = (fc_state_t) fuzz_number (in);
  stat.access = (fc_share_t) fuzz_number (in);
  stat.trust = (fc_share_t) fuzz_number (in);
  stat.generation = (uint32_t) fuzz_number (in);
  stat.ring_depth = (uint32_t) fuzz_number (in);
  stat.head = fuzz_number (in);
  stat.oldest = fuzz_number (in);
  stat.first_seq = fuzz_number (in);
  stat.bytes_total = fuzz_number (in);
  stat.bytes_planned = fuzz_number (in);
  stat.created_wall_ns = fuzz_number (in);
  stat.newest_commit_ns = fuzz_number (in);
  stat.frame_rate = fuzz_double (in);
  stat.bit_rate = fuzz_double (in);
  fuzz_bytes (in, stat.name, sizeof stat.name - 1);
  return stat;
}

static fc_consumer_stat_t
take_consumer (fuzz_t *in)
{
  fc_consumer_stat_t stat = { .struct_size = sizeof stat };

  stat.cursor = fuzz_number (in);
  stat.delivered = fuzz_number (in);
  stat.dropped = fuzz_number (in);
  stat.leases = (uint32_t) fuzz_number (in);
  stat.attached_wall_ns = fuzz_number (in);
  fuzz_bytes (in, stat.name, sizeof stat.name - 1);
  return stat;
}

/* Takes TEXT. */
static void
check_text (gchar *text)
{
  if (text == NULL || text[0] == '\0' || !g_utf8_validate (text, -1, NULL))
    abort ();
  g_free (text);
}

static void
check_json (JsonBuilder *json)
{
  check_text (fcctl_json_line (json_builder_end_object (json)));
}

static void
tell (const fc_slot_stat_t *stat, const fc_consumer_stat_t *consumer)
{
  JsonBuilder *json = json_builder_begin_object (json_builder_new ());

  fcctl_json_slot (json, stat, NULL);
  fcctl_json_consumer (json, stat, consumer);
  check_json (json);
  check_text (fcctl_bytes (stat->bytes_planned));
  check_text (fcctl_frame_rate (stat->frame_rate));
  check_text (fcctl_bit_rate (stat->bit_rate));
  check_text (fcctl_colored_state (stat));
  check_text (fcctl_duration (fcctl_age (stat)));
  check_text (fcctl_duration (fcctl_silence (stat)));
  check_text (fcctl_duration (fcctl_lag_ns (stat, fcctl_lag (stat, consumer))));
}

static void
check_rate (const FcrRate *rate)
{
  if (!isfinite (rate->told) || !isfinite (rate->mean) || rate->told < 0)
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  fc_slot_stat_t stat = take_slot (&in);
  fc_consumer_stat_t consumer = take_consumer (&in);
  FcrRates rates = { 0 };

  tell (&stat, &consumer);
  fcr_rates_begin (&rates, &stat);
  for (int i = 0; i < LOOKS && in.size > 0; i++)
    {
      stat.head += fuzz_number (&in);
      stat.bytes_total += fuzz_number (&in);
      stat.newest_commit_ns += fuzz_number (&in);
      if (fuzz_byte (&in) % 8 == 0)
        fcr_rates_stop (&rates, &stat);
      else
        fcr_rates_update (&rates, &stat);
      check_rate (&rates.frames);
      check_rate (&rates.bits);
    }
  return 0;
}
