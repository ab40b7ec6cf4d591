/* framecache: a buffer's metas on their way through a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfcmeta.h"

/* The log is that of the element that it is about. */
GST_DEBUG_CATEGORY_EXTERN (gst_fc_sink_debug);
GST_DEBUG_CATEGORY_EXTERN (gst_fc_src_debug);

static const guint8 magic[] = { 'f', 'c', 'M', 'T' };
#define VERSION 1
#define BLOCK_HEADER 6u
#define RECORD_HEADER 6u

/* Writing -------------------------------------------------------------- */

void
gst_fc_meta_writer_init (GstFcMetaWriter *self, GstElement *element)
{
  memset (self, 0, sizeof (*self));
  self->element = element;
}

void
gst_fc_meta_writer_set_caps (GstFcMetaWriter *self, const GstCaps *caps)
{
  gst_fc_layout_set_caps (&self->layout, caps);
}

void
gst_fc_meta_writer_reset (GstFcMetaWriter *self)
{
  g_clear_pointer (&self->named, g_hash_table_unref);
}

/* A record that could not be finished is taken back as a whole. */
static gboolean
gst_fc_meta_end_record (GstByteWriter *w, guint start, gboolean ok)
{
  guint end = gst_byte_writer_get_pos (w);

  gst_byte_writer_set_pos (w, start);
  if (!ok)
    return FALSE;
  gst_byte_writer_set_pos (w, start + 2);
  gst_byte_writer_put_uint32_le (w, end - start - RECORD_HEADER);
  gst_byte_writer_set_pos (w, end);
  return TRUE;
}

static gboolean
gst_fc_meta_begin_record (GstByteWriter *w, GstFcMetaType type)
{
  return gst_byte_writer_put_uint16_le (w, (guint16) type)
         && gst_byte_writer_put_uint32_le (w, 0);
}

static gboolean
gst_fc_put_alignment (GstByteWriter *w, const GstVideoAlignment *align)
{
  guint i;

  if (!gst_byte_writer_put_uint32_le (w, align->padding_top)
      || !gst_byte_writer_put_uint32_le (w, align->padding_bottom)
      || !gst_byte_writer_put_uint32_le (w, align->padding_left)
      || !gst_byte_writer_put_uint32_le (w, align->padding_right))
    return FALSE;
  for (i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    if (!gst_byte_writer_put_uint32_le (w, align->stride_align[i]))
      return FALSE;
  return TRUE;
}

/* INFO is where the planes are, or NULL: where META says. */
static gboolean
gst_fc_put_video (GstByteWriter *w, const GstVideoMeta *meta,
                  const GstVideoInfo *info)
{
  static const GstVideoAlignment none = { 0 };
  const gchar *format = gst_video_format_to_string (meta->format);
  guint i;

  if (format == NULL
      || !gst_byte_writer_put_uint32_le (w, (guint32) meta->flags)
      || !gst_byte_writer_put_int32_le (w, meta->id)
      || !gst_byte_writer_put_uint32_le (w, info != NULL ? (guint32) info->width
                                                         : meta->width)
      || !gst_byte_writer_put_uint32_le (
          w, info != NULL ? (guint32) info->height : meta->height)
      || !gst_byte_writer_put_uint8 (w, (guint8) strlen (format))
      || !gst_byte_writer_put_data (w, (const guint8 *) format,
                                    (guint) strlen (format))
      || !gst_byte_writer_put_uint8 (w, (guint8) meta->n_planes))
    return FALSE;
  for (i = 0; i < meta->n_planes; i++)
    if (!gst_byte_writer_put_uint64_le (w, info != NULL ? info->offset[i]
                                                        : meta->offset[i])
        || !gst_byte_writer_put_int32_le (w, info != NULL ? info->stride[i]
                                                          : meta->stride[i]))
      return FALSE;
  return gst_fc_put_alignment (w, info != NULL ? &none : &meta->alignment);
}

/* Nothing needs to be said about a frame that lies as its caps say. */
static gboolean
gst_fc_meta_is_said_by_caps (const GstFcMetaWriter *self, GstBuffer *buffer,
                             const GstVideoMeta *meta,
                             gboolean laid_out_as_caps)
{
  if (meta->flags != GST_VIDEO_FRAME_FLAG_NONE || meta->id != 0)
    return FALSE;
  return laid_out_as_caps
         || gst_fc_video_buffer_is_default (buffer, &self->layout.video);
}

static gboolean
gst_fc_put_audio (GstByteWriter *w, const GstAudioMeta *meta)
{
  const guint channels = (guint) GST_AUDIO_INFO_CHANNELS (&meta->info);
  guint i;

  if (!gst_byte_writer_put_uint32_le (w, meta->offsets != NULL)
      || !gst_byte_writer_put_uint32_le (w, channels)
      || !gst_byte_writer_put_uint64_le (w, meta->samples))
    return FALSE;
  for (i = 0; meta->offsets != NULL && i < channels; i++)
    if (!gst_byte_writer_put_uint64_le (w, meta->offsets[i]))
      return FALSE;
  return TRUE;
}

/* What tells where the bytes are, without which nothing can be done with them,
 * comes first: it always fits. */
static void
gst_fc_meta_put_layout (GstFcMetaWriter *self, GstByteWriter *w,
                        GstBuffer *buffer, gboolean laid_out_as_caps)
{
  const GstVideoInfo *info = laid_out_as_caps ? &self->layout.video : NULL;
  gpointer state = NULL;
  GstMeta *meta;

  while (self->layout.has_video
         && (meta = gst_buffer_iterate_meta (buffer, &state)) != NULL)
    {
      guint start = gst_byte_writer_get_pos (w);

      if (meta->info->api != GST_VIDEO_META_API_TYPE
          || gst_fc_meta_is_said_by_caps (self, buffer, (GstVideoMeta *) meta,
                                          laid_out_as_caps))
        continue;
      gst_fc_meta_end_record (
          w, start,
          gst_fc_meta_begin_record (w, GST_FC_META_VIDEO)
              && gst_fc_put_video (w, (const GstVideoMeta *) meta, info));
    }
}

static gboolean
gst_fc_meta_put_serialized (GstByteWriter *w, const GstMeta *meta)
{
  gboolean ok = FALSE;
#if GST_CHECK_VERSION(1, 24, 0)
  GByteArray *bytes;

  if (meta->info->serialize_func == NULL)
    return FALSE;
  bytes = g_byte_array_new ();
  ok = gst_meta_serialize_simple (meta, bytes) && bytes->len <= FC_META_MAX
       && gst_byte_writer_put_data (w, bytes->data, bytes->len);
  g_byte_array_unref (bytes);
#endif
  return ok;
}

static gboolean
gst_fc_meta_put (GstByteWriter *w, const GstMeta *meta)
{
  const GstFcMetaCodec *codec = gst_fc_meta_find_codec (meta->info);
  guint start = gst_byte_writer_get_pos (w);
  gboolean ok;

  if (meta->info->api == GST_AUDIO_META_API_TYPE)
    ok = gst_fc_meta_begin_record (w, GST_FC_META_AUDIO)
         && gst_fc_put_audio (w, (const GstAudioMeta *) meta);
  else if (codec != NULL)
    ok = gst_fc_meta_begin_record (w, codec->type) && codec->put (w, meta);
  else
    ok = gst_fc_meta_begin_record (w, GST_FC_META_SERIALIZED)
         && gst_fc_meta_put_serialized (w, meta);
  return gst_fc_meta_end_record (w, start, ok);
}

/* Of this process's memory, and of no meaning in another one. */
static gboolean
gst_fc_meta_stays (const GstMeta *meta)
{
  static GQuark memory, reference;

  if (G_UNLIKELY (reference == 0))
    {
      memory = g_quark_from_static_string (GST_META_TAG_MEMORY_STR);
      reference
          = g_quark_from_static_string (GST_META_TAG_MEMORY_REFERENCE_STR);
    }
  return gst_meta_api_type_has_tag (meta->info->api, reference)
         || gst_meta_api_type_has_tag (meta->info->api, memory);
}

static void
gst_fc_meta_name (GstFcMetaWriter *self, const GstMeta *meta)
{
  gpointer api = GSIZE_TO_POINTER (meta->info->api);

  if (self->named == NULL)
    self->named = g_hash_table_new (NULL, NULL);
  if (g_hash_table_add (self->named, api))
    GST_CAT_WARNING_OBJECT (
        gst_fc_sink_debug, self->element,
        "metas that do not go into the slot: %s can not be put"
        " into bytes, or not into the %u that a frame's metas"
        " may take up",
        g_type_name (meta->info->api), FC_META_MAX);
}

/* Whether BUFFER's picture was cut to the caps' size on its way in. What says
 * where to cut has been heeded then. */
static gboolean
gst_fc_meta_was_cropped (const GstFcMetaWriter *self, GstBuffer *buffer)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);

  return meta != NULL && self->layout.has_video
         && (meta->width != (guint) GST_VIDEO_INFO_WIDTH (&self->layout.video)
             || meta->height
                    != (guint) GST_VIDEO_INFO_HEIGHT (&self->layout.video));
}

const void *
gst_fc_meta_write (GstFcMetaWriter *self, GstBuffer *buffer,
                   gboolean laid_out_as_caps, guint32 *size)
{
  gpointer state = NULL;
  GstByteWriter w;
  GstMeta *meta = gst_buffer_iterate_meta (buffer, &state);
  gboolean cropped;

  *size = 0;
  if (meta == NULL)
    return NULL;
  cropped = laid_out_as_caps && gst_fc_meta_was_cropped (self, buffer);
  gst_byte_writer_init_with_data (&w, self->block, sizeof (self->block), FALSE);
  gst_byte_writer_put_data (&w, magic, sizeof (magic));
  gst_byte_writer_put_uint16_le (&w, VERSION);
  gst_fc_meta_put_layout (self, &w, buffer, laid_out_as_caps);
  for (; meta != NULL; meta = gst_buffer_iterate_meta (buffer, &state))
    if (meta->info->api != GST_VIDEO_META_API_TYPE
        && !(cropped && meta->info->api == GST_VIDEO_CROP_META_API_TYPE)
        && !gst_fc_meta_stays (meta) && !gst_fc_meta_put (&w, meta))
      gst_fc_meta_name (self, meta);
  if (gst_byte_writer_get_pos (&w) == BLOCK_HEADER)
    return NULL;
  *size = gst_byte_writer_get_pos (&w);
  return self->block;
}

/* Reading -------------------------------------------------------------- */

void
gst_fc_meta_reader_init (GstFcMetaReader *self, GstElement *element)
{
  memset (self, 0, sizeof (*self));
  self->element = element;
}

void
gst_fc_meta_reader_set_caps (GstFcMetaReader *self, const GstCaps *caps)
{
  gst_fc_layout_set_caps (&self->layout, caps);
  self->warned = 0;
}

gboolean
gst_fc_meta_next_record (GstByteReader *block, guint *type,
                         GstByteReader *payload)
{
  const guint8 *data;
  guint16 version, number;
  guint32 size;

  if (gst_byte_reader_get_pos (block) == 0
      && (!gst_byte_reader_get_data (block, sizeof (magic), &data)
          || memcmp (data, magic, sizeof (magic)) != 0
          || !gst_byte_reader_get_uint16_le (block, &version)
          || version != VERSION))
    return FALSE;
  if (!gst_byte_reader_get_uint16_le (block, &number)
      || !gst_byte_reader_get_uint32_le (block, &size)
      || !gst_byte_reader_get_data (block, size, &data))
    return FALSE;
  *type = number;
  gst_byte_reader_init (payload, data, size);
  return TRUE;
}

static gboolean
gst_fc_get_alignment (GstByteReader *r, GstVideoAlignment *align)
{
  guint i;

  if (!gst_byte_reader_get_uint32_le (r, &align->padding_top)
      || !gst_byte_reader_get_uint32_le (r, &align->padding_bottom)
      || !gst_byte_reader_get_uint32_le (r, &align->padding_left)
      || !gst_byte_reader_get_uint32_le (r, &align->padding_right))
    return FALSE;
  for (i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    if (!gst_byte_reader_get_uint32_le (r, &align->stride_align[i]))
      return FALSE;
  return TRUE;
}

/* FALSE too where it is not for a frame of INFO and SIZE bytes. */
static gboolean
gst_fc_get_video (GstByteReader *r, const GstVideoInfo *info, gsize size,
                  GstFcVideoLayout *layout)
{
  const gchar *expected
      = gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info));
  const guint8 *format;
  guint8 length, planes;
  guint32 flags, i;

  memset (layout, 0, sizeof (*layout));
  if (!gst_byte_reader_get_uint32_le (r, &flags)
      || !gst_byte_reader_get_int32_le (r, &layout->id)
      || !gst_byte_reader_get_uint32_le (r, &layout->width)
      || !gst_byte_reader_get_uint32_le (r, &layout->height)
      || !gst_byte_reader_get_uint8 (r, &length)
      || !gst_byte_reader_get_data (r, length, &format) || expected == NULL
      || strlen (expected) != length || memcmp (format, expected, length) != 0
      || !gst_byte_reader_get_uint8 (r, &planes)
      || planes > GST_VIDEO_MAX_PLANES)
    return FALSE;
  layout->flags = (GstVideoFrameFlags) flags;
  layout->n_planes = planes;
  for (i = 0; i < planes; i++)
    {
      guint64 offset;

      if (!gst_byte_reader_get_uint64_le (r, &offset)
          || !gst_byte_reader_get_int32_le (r, &layout->stride[i])
          || offset > size)
        return FALSE;
      layout->offset[i] = (gsize) offset;
    }
  return gst_fc_get_alignment (r, &layout->alignment)
         && gst_fc_video_layout_is_sound (layout, info, size);
}

static gboolean
gst_fc_get_audio (GstByteReader *r, const GstAudioInfo *info, GstBuffer *buffer)
{
  gsize offsets[FC_META_MAX / sizeof (guint64)];
  const gsize size = gst_buffer_get_size (buffer);
  guint32 planar, channels, i;
  guint64 samples, offset;

  if (!gst_byte_reader_get_uint32_le (r, &planar)
      || !gst_byte_reader_get_uint32_le (r, &channels)
      || !gst_byte_reader_get_uint64_le (r, &samples)
      || channels != (guint32) GST_AUDIO_INFO_CHANNELS (info)
      || channels > G_N_ELEMENTS (offsets)
      || (planar != 0)
             != (GST_AUDIO_INFO_LAYOUT (info)
                 == GST_AUDIO_LAYOUT_NON_INTERLEAVED))
    return FALSE;
  if (planar == 0)
    return samples <= size / (gsize) GST_AUDIO_INFO_BPF (info)
           && gst_buffer_add_audio_meta (buffer, info, (gsize) samples, NULL)
                  != NULL;
  for (i = 0; i < channels; i++)
    {
      if (!gst_byte_reader_get_uint64_le (r, &offset) || offset > size)
        return FALSE;
      offsets[i] = (gsize) offset;
    }
  return samples <= size
         && gst_fc_audio_planes_are_sound (info, (gsize) samples, offsets, size)
         && gst_buffer_add_audio_meta (buffer, info, (gsize) samples, offsets)
                != NULL;
}

/* GStreamer's own reader adds to lengths before it compares them, so these are
 * looked at here. What has a record of its own has no business in one of
 * these. */
static gboolean
gst_fc_get_serialized (GstByteReader *r, GstBuffer *buffer)
{
#if GST_CHECK_VERSION(1, 24, 0)
  const guint size = gst_byte_reader_get_remaining (r);
  const guint8 *data, *name;
  const GstMetaInfo *info;
  guint32 total, length, consumed;

  if (!gst_byte_reader_peek_data (r, size, &data)
      || !gst_byte_reader_get_uint32_le (r, &total) || total != size
      || !gst_byte_reader_get_uint32_le (r, &length) || length > size
      || length + 2 > gst_byte_reader_get_remaining (r)
      || !gst_byte_reader_get_data (r, length + 1, &name)
      || memchr (name, '\0', length + 1) != name + length)
    return FALSE;
  info = gst_meta_get_info ((const gchar *) name);
  if (info == NULL || info->deserialize_func == NULL)
    return TRUE;
  return info->api != GST_VIDEO_META_API_TYPE
         && info->api != GST_AUDIO_META_API_TYPE
         && gst_fc_meta_find_codec (info) == NULL
         && !gst_meta_api_type_has_tag (
             info->api, g_quark_from_static_string (GST_META_TAG_MEMORY_STR))
         && gst_meta_deserialize (buffer, data, size, &consumed) != NULL;
#else
  return TRUE;
#endif
}

static void
gst_fc_meta_refuse (GstFcMetaReader *self, guint type)
{
  const guint bit = 1u << (type < GST_FC_N_METAS ? type : 0);

  if ((self->warned & bit) != 0)
    return;
  self->warned |= bit;
  GST_CAT_WARNING_OBJECT (
      gst_fc_src_debug, self->element,
      "a meta of the slot is left out: record type %u does not"
      " hold what it should, or describes another frame than"
      " the one that it came with",
      type);
}

void
gst_fc_meta_reader_take (GstFcMetaReader *self, const fc_info_t *info)
{
  self->packed = FALSE;
  self->size = 0;
  if (info->meta == NULL)
    return;
  self->size = MIN (info->meta_size, FC_META_MAX);
  memcpy (self->block, info->meta, self->size);
}

gboolean
gst_fc_meta_reader_is_padded (GstFcMetaReader *self, gsize frame_size)
{
  const GstVideoInfo *info = &self->layout.video;
  GstByteReader block, payload;
  guint type;

  if (self->size == 0 || !self->layout.has_video)
    return FALSE;
  gst_byte_reader_init (&block, self->block, (guint) self->size);
  while (gst_fc_meta_next_record (&block, &type, &payload))
    if (type == GST_FC_META_VIDEO
        && gst_fc_get_video (&payload, info, frame_size, &self->video))
      return !gst_fc_video_layout_is_default (&self->video, info);
  return FALSE;
}

static gboolean
gst_fc_meta_get (GstFcMetaReader *self, guint type, GstByteReader *payload,
                 GstBuffer *buffer)
{
  const GstFcMetaCodec *codec = gst_fc_meta_get_codec (type);
  GstFcVideoLayout video;

  switch (type)
    {
    case GST_FC_META_VIDEO:
      return self->layout.has_video
             && gst_fc_get_video (payload, &self->layout.video,
                                  gst_buffer_get_size (buffer), &video)
             && gst_fc_video_layout_add (&video, &self->layout.video, buffer)
                    != NULL;
    case GST_FC_META_AUDIO:
      return self->layout.has_audio
             && gst_fc_get_audio (payload, &self->layout.audio, buffer);
    case GST_FC_META_SERIALIZED:
      return gst_fc_get_serialized (payload, buffer);
    default:
      return codec == NULL || codec->get (payload, buffer);
    }
}

void
gst_fc_meta_reader_add (GstFcMetaReader *self, GstBuffer *buffer)
{
  GstByteReader block, payload;
  guint type;

  if (self->size == 0)
    return;
  gst_byte_reader_init (&block, self->block, (guint) self->size);
  while (gst_fc_meta_next_record (&block, &type, &payload))
    if (!(self->packed && type == GST_FC_META_VIDEO)
        && !gst_fc_meta_get (self, type, &payload, buffer))
      gst_fc_meta_refuse (self, type);
  if (gst_byte_reader_get_remaining (&block) > 0)
    gst_fc_meta_refuse (self, 0);
}
