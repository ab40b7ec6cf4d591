/* framecache: from a pipeline's clock to CLOCK_MONOTONIC and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcclock.h"
#include "gstfccommon.h"

#define OBSERVE_EVERY (100 * GST_MSECOND)
/* A reading between two of CLOCK_MONOTONIC that are further apart than this
 * was preempted and says little. */
#define READING_WIDTH (500 * GST_USECOND)
#define READING_TRIES 5
/* From so many observations on, the drift is believed as well. */
#define DRIFT_FROM 10
/* A clock that is so far beside the line was set, and is another one now. */
#define JUMP (100 * GST_MSECOND)

void
gst_fc_clock_init (GstFcClock *self)
{
  memset (self, 0, sizeof (*self));
  g_mutex_init (&self->lock);
}

void
gst_fc_clock_clear (GstFcClock *self)
{
  gst_clear_object (&self->clock);
  g_mutex_clear (&self->lock);
}

void
gst_fc_clock_set (GstFcClock *self, GstClock *clock)
{
  g_mutex_lock (&self->lock);
  if (self->clock != clock)
    {
      gst_object_replace ((GstObject **) &self->clock, (GstObject *) clock);
      self->exact = FALSE;
      self->n = self->next = 0;
      self->observed = 0;
    }
  g_mutex_unlock (&self->lock);
}

/* Its subclasses (network clocks) and a slaved system clock run to a
 * calibration of their own. */
static gboolean
gst_fc_clock_is_monotonic (GstClock *clock)
{
  GstClockType type;
  GstClockTime internal, external, num, denom;

  if (G_OBJECT_TYPE (clock) != GST_TYPE_SYSTEM_CLOCK)
    return FALSE;
  g_object_get (clock, "clock-type", &type, NULL);
  gst_clock_get_calibration (clock, &internal, &external, &num, &denom);
  return type == GST_CLOCK_TYPE_MONOTONIC && internal == external
         && num == denom;
}

/* The narrowest of a few readings. */
static gboolean
gst_fc_clock_read (GstClock *clock, GstClockTime *x, GstClockTime *y)
{
  GstClockTime best = GST_CLOCK_TIME_NONE;
  guint i;

  for (i = 0; i < READING_TRIES && best > READING_WIDTH; i++)
    {
      GstClockTime before = gst_fc_monotonic ();
      GstClockTime time = gst_clock_get_time (clock);
      GstClockTime width = gst_fc_monotonic () - before;

      if (GST_CLOCK_TIME_IS_VALID (time) && width < best)
        {
          best = width;
          *x = before + width / 2;
          *y = time;
        }
    }
  return GST_CLOCK_TIME_IS_VALID (best);
}

/* Both axes count from the oldest observation, so that their differences from
 * it can be averaged. */
static void
gst_fc_clock_fit_offset (GstFcClock *self)
{
  GstClockTime x0 = self->x[0], y0 = self->y[0];
  gint64 dx = 0, dy = 0;
  guint i;

  for (i = 0; i < self->n; i++)
    {
      dx += GST_CLOCK_DIFF (x0, self->x[i]) / (gint64) self->n;
      dy += GST_CLOCK_DIFF (y0, self->y[i]) / (gint64) self->n;
    }
  self->internal = x0 + dx;
  self->external = y0 + dy;
  self->rate_num = self->rate_denom = 1;
}

static void
gst_fc_clock_fit (GstFcClock *self)
{
  GstClockTime xy[2 * GST_FC_CLOCK_WINDOW], temp[2 * GST_FC_CLOCK_WINDOW];
  GstClockTime num, denom, b, xbase;
  gdouble r_squared, rate;
  gsize i;

  gst_fc_clock_fit_offset (self);
  if (self->n < DRIFT_FROM)
    return;

  for (i = 0; i < self->n; i++)
    {
      xy[2 * i] = self->x[i];
      xy[2 * i + 1] = self->y[i];
    }
  if (!gst_calculate_linear_regression (xy, temp, self->n, &num, &denom, &b,
                                        &xbase, &r_squared)
      || num == 0 || denom == 0)
    return;
  rate = gst_guint64_to_gdouble (num) / gst_guint64_to_gdouble (denom);
  if (r_squared < 0.9 || rate < 0.9 || rate > 1.1)
    return;
  self->internal = xbase;
  self->external = b;
  self->rate_num = num;
  self->rate_denom = denom;
}

static GstClockTime
gst_fc_clock_project (GstFcClock *self, GstClockTime monotonic)
{
  return gst_clock_adjust_with_calibration (NULL, monotonic, self->internal,
                                            self->external, self->rate_num,
                                            self->rate_denom);
}

static void
gst_fc_clock_add (GstFcClock *self, GstClockTime x, GstClockTime y)
{
  if (self->n > 0
      && ABS (GST_CLOCK_DIFF (gst_fc_clock_project (self, x), y)) > JUMP)
    self->n = self->next = 0;

  self->x[self->next] = x;
  self->y[self->next] = y;
  self->next = (self->next + 1) % GST_FC_CLOCK_WINDOW;
  self->n = MIN (self->n + 1, GST_FC_CLOCK_WINDOW);
  self->observed = x;
  gst_fc_clock_fit (self);
}

gboolean
gst_fc_clock_observe (GstFcClock *self, GstClockTime now)
{
  GstClock *clock = NULL;
  GstClockTime x = 0, y = 0;
  gboolean exact, read, ok;

  g_mutex_lock (&self->lock);
  ok = self->exact || self->n > 0;
  if (self->clock != NULL && (!ok || now > self->observed + OBSERVE_EVERY))
    clock = gst_object_ref (self->clock);
  g_mutex_unlock (&self->lock);
  if (clock == NULL)
    return ok;

  /* The clock is somebody else's code and may take its time: no lock. */
  exact = gst_fc_clock_is_monotonic (clock);
  read = gst_fc_clock_read (clock, &x, &y);

  g_mutex_lock (&self->lock);
  if (self->clock == clock && read)
    {
      self->exact = exact;
      if (exact)
        self->observed = x;
      else
        gst_fc_clock_add (self, x, y);
    }
  ok = self->exact || self->n > 0;
  g_mutex_unlock (&self->lock);
  gst_object_unref (clock);
  return ok;
}

GstClockTime
gst_fc_clock_to_monotonic (GstFcClock *self, GstClockTime time)
{
  g_mutex_lock (&self->lock);
  if (!self->exact && self->n > 0)
    time = gst_clock_unadjust_with_calibration (NULL, time, self->internal,
                                                self->external, self->rate_num,
                                                self->rate_denom);
  g_mutex_unlock (&self->lock);
  return time;
}

GstClockTime
gst_fc_clock_from_monotonic (GstFcClock *self, GstClockTime monotonic)
{
  g_mutex_lock (&self->lock);
  if (!self->exact && self->n > 0)
    monotonic = gst_fc_clock_project (self, monotonic);
  g_mutex_unlock (&self->lock);
  return monotonic;
}
