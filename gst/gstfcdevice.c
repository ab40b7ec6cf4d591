/* framecache: a slot as a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfccommon.h"
#include "gstfcdevice.h"
#include "gstfcsrc.h"

struct _GstFcDevice
{
  GstDevice parent;

  gchar *slot;
  gchar *directory;
  /* What tells one life of the slot from another. */
  fc_state_t state;
  guint32 generation;
  guint32 epoch;
  guint32 writer_pid;
  guint64 created;
};

G_DEFINE_FINAL_TYPE (GstFcDevice, gst_fc_device, GST_TYPE_DEVICE)

static const gchar *
state_name (fc_state_t state)
{
  switch (state)
    {
    case FC_STATE_RESERVED:
      return "reserved";
    case FC_STATE_LIVE:
      return "live";
    case FC_STATE_EOS:
      return "eos";
    default:
      return "writer-lost";
    }
}

/* Elements ------------------------------------------------------------- */

static void
gst_fc_device_configure (GstFcDevice *self, GstElement *element)
{
  g_object_set (element, "slot", self->slot, "directory", self->directory,
                NULL);
}

static GstElement *
gst_fc_device_create_element (GstDevice *device, const gchar *name)
{
  GstElement *element = gst_element_factory_make ("fcsrc", name);

  if (element != NULL)
    gst_fc_device_configure (GST_FC_DEVICE (device), element);
  return element;
}

static gboolean
gst_fc_device_reconfigure_element (GstDevice *device, GstElement *element)
{
  gboolean stopped;

  if (!GST_IS_FC_SRC (element))
    return FALSE;
  GST_OBJECT_LOCK (element);
  stopped
      = MAX (GST_STATE (element), GST_STATE_NEXT (element)) <= GST_STATE_READY;
  GST_OBJECT_UNLOCK (element);
  /* The slot is read at start: one that runs would go on with its own. */
  if (stopped)
    gst_fc_device_configure (GST_FC_DEVICE (device), element);
  return stopped;
}

/* Making --------------------------------------------------------------- */

/* Any caps for a slot that is reserved, and has none yet. */
static GstCaps *
read_caps (const fc_slot_stat_t *stat)
{
  gsize capacity = MIN (stat->format_size, FC_FORMAT_MAX), size;
  GstCaps *caps = NULL;
  gchar *text;

  if (stat->format_size == 0 && stat->reserved)
    return gst_caps_new_any ();
  text = g_malloc (capacity + 1);
  if (fc_slot_format (stat->dir, stat->name, text, capacity, &size) == 0)
    caps = gst_fc_caps_from_format (text, size);
  g_free (text);
  return caps;
}

static const gchar *
device_class (const GstCaps *caps)
{
  const gchar *type = "";

  if (!gst_caps_is_any (caps))
    type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (g_str_has_prefix (type, "video/") || g_str_has_prefix (type, "image/"))
    return "Video/Source/Framecache";
  if (g_str_has_prefix (type, "audio/"))
    return "Audio/Source/Framecache";
  return "Source/Framecache";
}

/* As it was measured, else as the caps have it, else 0. */
static gdouble
frame_rate (const fc_slot_stat_t *stat, const GstCaps *caps)
{
  gint num = 0, denom = 1;

  if (stat->frame_rate > 0)
    return stat->frame_rate;
  if (!gst_caps_is_any (caps))
    gst_structure_get_fraction (gst_caps_get_structure (caps, 0), "framerate",
                                &num, &denom);
  return denom > 0 ? (gdouble) num / denom : 0;
}

static GstStructure *
make_properties (const fc_slot_stat_t *stat, const GstCaps *caps)
{
  gchar *uri = g_strconcat ("fc:///", stat->name, NULL);
  GstStructure *s = gst_structure_new (
      "framecache-proplist", "device.api", G_TYPE_STRING, "framecache", "slot",
      G_TYPE_STRING, stat->name, "directory", G_TYPE_STRING, stat->dir, "uri",
      G_TYPE_STRING, uri, "state", G_TYPE_STRING, state_name (stat->state),
      "generation", G_TYPE_UINT, stat->generation, "ring-depth", G_TYPE_UINT,
      stat->ring_depth, "frame-size", G_TYPE_UINT64, stat->frame_size,
      "frame-rate", G_TYPE_DOUBLE, frame_rate (stat, caps), "max-consumers",
      G_TYPE_UINT, stat->max_consumers, "reserved", G_TYPE_BOOLEAN,
      stat->reserved != 0, "writer-pid", G_TYPE_UINT, stat->writer_pid,
      "writer-uid", G_TYPE_UINT, stat->writer_uid, NULL);

  g_free (uri);
  return s;
}

GstFcDevice *
gst_fc_device_new (const fc_slot_stat_t *stat)
{
  GstStructure *properties;
  GstFcDevice *self;
  GstCaps *caps;

  /* Names that a slot's files may still have for a moment. */
  if (stat->state == FC_STATE_REPLACED || stat->state == FC_STATE_REMOVED)
    return NULL;
  caps = read_caps (stat);
  if (caps == NULL)
    return NULL;
  properties = make_properties (stat, caps);
  self = g_object_new (GST_TYPE_FC_DEVICE, "display-name", stat->name,
                       "device-class", device_class (caps), "caps", caps,
                       "properties", properties, NULL);
  gst_structure_free (properties);
  gst_caps_unref (caps);
  self->slot = g_strdup (stat->name);
  self->directory = g_strdup (stat->dir);
  self->state = stat->state;
  self->generation = stat->generation;
  self->epoch = stat->epoch;
  self->writer_pid = stat->writer_pid;
  self->created = stat->created_wall_ns;
  return self;
}

const gchar *
gst_fc_device_get_slot (GstFcDevice *self)
{
  return self->slot;
}

/* The class follows from the caps. */
GstFcDeviceChange
gst_fc_device_compare (GstFcDevice *before, GstFcDevice *now)
{
  GstCaps *old_caps = gst_device_get_caps (GST_DEVICE (before));
  GstCaps *caps = gst_device_get_caps (GST_DEVICE (now));
  GstFcDeviceChange change = GST_FC_DEVICE_CHANGED;

  if (!gst_caps_is_strictly_equal (old_caps, caps))
    change = GST_FC_DEVICE_ANOTHER;
  else if (before->state == now->state && before->generation == now->generation
           && before->epoch == now->epoch
           && before->writer_pid == now->writer_pid
           && before->created == now->created
           && g_str_equal (before->directory, now->directory))
    change = GST_FC_DEVICE_SAME;
  gst_caps_unref (old_caps);
  gst_caps_unref (caps);
  return change;
}

static void
gst_fc_device_finalize (GObject *object)
{
  GstFcDevice *self = GST_FC_DEVICE (object);

  g_free (self->slot);
  g_free (self->directory);
  G_OBJECT_CLASS (gst_fc_device_parent_class)->finalize (object);
}

static void
gst_fc_device_class_init (GstFcDeviceClass *klass)
{
  GstDeviceClass *device_class = GST_DEVICE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_fc_device_finalize;
  device_class->create_element = gst_fc_device_create_element;
  device_class->reconfigure_element = gst_fc_device_reconfigure_element;
}

static void
gst_fc_device_init (GstFcDevice *self)
{
}
