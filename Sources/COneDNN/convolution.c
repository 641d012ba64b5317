#include "signals.h"

#include "onednn_convolution.h"

#ifdef SUPCON_ONEDNN
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ckernels_machine.h>
#include <ckernels_pack.h>
#include <oneapi/dnnl/dnnl.h>

extern void omp_set_num_threads(int);
extern int omp_get_max_threads(void);

int scd_enter(int threads) {
  int former = omp_get_max_threads();
  if (former != threads) omp_set_num_threads(threads);
  return former;
}

void scd_leave(int former) {
  if (former != omp_get_max_threads()) omp_set_num_threads(former);
}

/* 2.x passes memory descriptors as structs, 3.x as handles. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t md_view;
typedef dnnl_memory_desc_t md_own;
#define NO_MD NULL
#define VIEW(md) (md)
#define FREE_MD(md) dnnl_memory_desc_destroy(md)
#define MAKE_MD(md, n, dims, type, tag) dnnl_memory_desc_create_with_tag(&(md), n, dims, type, tag)
#define SCALES_ARGUMENT (DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS)
#else
typedef const dnnl_memory_desc_t *md_view;
typedef dnnl_memory_desc_t md_own;
#define NO_MD {0}
#define VIEW(md) (&(md))
#define FREE_MD(md) ((void)0)
#define MAKE_MD(md, n, dims, type, tag) dnnl_memory_desc_init_by_tag(&(md), n, dims, type, tag)
#define SCALES_ARGUMENT 0
#endif

/* There is one for the process, as a CPU engine holds nothing but its kind. */
static dnnl_engine_t shared_engine(void) {
  static dnnl_engine_t engine;
  dnnl_engine_t found = __atomic_load_n(&engine, __ATOMIC_ACQUIRE);
  if (found) return found;
  dnnl_engine_t made = NULL;
  if (dnnl_engine_create(&made, dnnl_cpu, 0) != dnnl_success) return NULL;
  dnnl_engine_t expected = NULL;
  if (__atomic_compare_exchange_n(&engine, &expected, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return made;
  dnnl_engine_destroy(made);
  return expected;
}

struct scd_convolution {
  int what, threads;
  dnnl_primitive_t run, reorder;
  dnnl_stream_t stream;
  dnnl_memory_t x, weights, bias, y, scratch,
      plain; /* plain: the weights as [outputs, inputs / groups, kernel, kernel] f32 */
  dnnl_memory_t scale_memory; /* int8 in 3.x, which takes the scales in every run */
  float *scales;              /* int8: [outputs] */
  int64_t outputs;
  size_t packed_bytes, scratch_bytes;
  sc_order order; /* of packed weights; lanes 0: reorder packs them */
};

void scd_convolution_free(scd_convolution *c) {
  if (!c) return;
  dnnl_memory_t memories[] = {c->x,       c->weights, c->bias,        c->y,
                              c->scratch, c->plain,   c->scale_memory};
  for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  if (c->run) dnnl_primitive_destroy(c->run);
  if (c->reorder) dnnl_primitive_destroy(c->reorder);
  if (c->stream) dnnl_stream_destroy(c->stream);
  free(c->scales);
  free(c);
}

#define TRY(call)                                        \
  do {                                                   \
    if ((status = (call)) != dnnl_success) goto cleanup; \
  } while (0)

/* Returns the convolution with these descriptors; hint: the forward one, which 2.x and 3.x require
 * for gradients. */
static dnnl_status_t describe(int what, md_view x, md_view w, md_view bias, md_view y,
                              const dnnl_dims_t strides, const dnnl_dims_t padding,
                              const_dnnl_primitive_attr_t attributes,
                              const_dnnl_primitive_desc_t hint,
                              dnnl_primitive_desc_t *description) {
  dnnl_engine_t engine = shared_engine();
  const dnnl_prop_kind_t forward =
      what == SCD_INFERENCE ? dnnl_forward_inference : dnnl_forward_training;
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  if (what == SCD_INPUT_GRADIENT)
    return dnnl_convolution_backward_data_primitive_desc_create(
        description, engine, direct, x, w, y, strides, NULL, padding, padding, hint, attributes);
  if (what == SCD_WEIGHT_GRADIENT)
    return dnnl_convolution_backward_weights_primitive_desc_create(
        description, engine, direct, x, w, NULL, y, strides, NULL, padding, padding, hint,
        attributes);
  return dnnl_convolution_forward_primitive_desc_create(description, engine, forward, direct, x, w,
                                                        bias, y, strides, NULL, padding, padding,
                                                        attributes);
#else
  dnnl_convolution_desc_t d;
  dnnl_status_t status;
  if (what == SCD_INPUT_GRADIENT)
    status =
        dnnl_convolution_backward_data_desc_init(&d, direct, x, w, y, strides, padding, padding);
  else if (what == SCD_WEIGHT_GRADIENT)
    status = dnnl_convolution_backward_weights_desc_init(&d, direct, x, w, NULL, y, strides,
                                                         padding, padding);
  else
    status = dnnl_convolution_forward_desc_init(&d, forward, direct, x, w, bias, y, strides,
                                                padding, padding);
  return status != dnnl_success
             ? status
             : dnnl_primitive_desc_create(description, &d, attributes, engine, hint);
#endif
}

/* Puts the factors of an int8 convolution's sums into the attributes and, for 3.x, into memory: 2.x
 * takes them when it is made. */
static dnnl_status_t set_scales(scd_convolution *c, const scd_quantization *q, int64_t outputs,
                                int grouped, dnnl_primitive_attr_t attributes) {
  c->outputs = outputs;
  c->scales = malloc((size_t)outputs * sizeof *c->scales);
  if (!c->scales) return dnnl_out_of_memory;
  memcpy(c->scales, q->scales, (size_t)outputs * sizeof *c->scales);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t dims = {outputs};
  md_own md = NO_MD;
  dnnl_status_t status = MAKE_MD(md, 1, dims, dnnl_f32, dnnl_x);
  if (status == dnnl_success)
    status = dnnl_memory_create(&c->scale_memory, VIEW(md), shared_engine(), c->scales);
  FREE_MD(md);
  return status != dnnl_success
             ? status
             : dnnl_primitive_attr_set_scales_mask(attributes, DNNL_ARG_WEIGHTS,
                                                   grouped ? 1 << 0 | 1 << 1 : 1 << 0);
#else
  (void)grouped;
  return dnnl_primitive_attr_set_output_scales(attributes, outputs, 1 << 1, c->scales);
#endif
}

/* oneDNN 2.6.3 sometimes generates a wrong kernel when two threads create primitives at the same
 * time: the primitive then gives wrong results for as long as it exists, as does every other one
 * that the primitive cache derives from it. Without this lock, about every third run of
 * ConvolutionSweepTests, whose tests run in parallel, found a wrong one; with it, none of 16. */
static pthread_mutex_t creation = PTHREAD_MUTEX_INITIALIZER;

/* Finds the order of packed weights, if it is one that sc_pack makes. */
static sc_order order_of(md_view packed, const scd_convolution_shape *s) {
  const sc_order none = {0};
  if (!sc_has_bf16_pairs() || s->groups > 1) return none;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_data_type_t type;
  dnnl_format_kind_t kind;
  int blocks;
  const dnnl_dims_t *sizes, *dimensions, *strides;
  if (dnnl_memory_desc_query(packed, dnnl_query_data_type, &type) != dnnl_success ||
      dnnl_memory_desc_query(packed, dnnl_query_format_kind, &kind) != dnnl_success ||
      kind != dnnl_blocked ||
      dnnl_memory_desc_query(packed, dnnl_query_inner_nblks_s32, &blocks) != dnnl_success ||
      dnnl_memory_desc_query(packed, dnnl_query_inner_blks, &sizes) != dnnl_success ||
      dnnl_memory_desc_query(packed, dnnl_query_inner_idxs, &dimensions) != dnnl_success ||
      dnnl_memory_desc_query(packed, dnnl_query_strides, &strides) != dnnl_success)
    return none;
  const int64_t *size = *sizes, *dimension = *dimensions, *stride = *strides;
#else
  if (packed->format_kind != dnnl_blocked) return none;
  const dnnl_data_type_t type = packed->data_type;
  const dnnl_blocking_desc_t *b = &packed->format_desc.blocking;
  const int blocks = b->inner_nblks;
  const int64_t *size = b->inner_blks, *dimension = b->inner_idxs, *stride = b->strides;
#endif
  if ((type != dnnl_f32 && type != dnnl_bf16) || stride[2] != s->kernel * stride[3]) return none;
  /* [lanes] or [rows, lanes], in bf16 [lanes, 2] or [rows, lanes, 2]. */
  const int pairs = type == dnnl_bf16, inner = blocks - pairs;
  if (inner < 1 || inner > 2) return none;
  /* oneDNN is faster: sc_pack gathers taps. */
  if (!pairs && s->kernel > 1) return none;
  const int64_t laned = dimension[inner - 1], other = 1 - laned, lanes = size[inner - 1],
                rows = inner == 2 ? size[0] : 1, width = pairs ? 2 : 1;
  if (laned > 1 || (inner == 2 && dimension[0] != other)) return none;
  if (pairs && (dimension[inner] != other || size[inner] != 2)) return none;
  if (lanes % 16 || s->outputs % 16 || s->inputs % (16 * width)) return none;
  if (rows != 1 && rows != 16 && !(pairs && rows == 8)) return none;
  if ((other ? s->inputs : s->outputs) % (width * rows)) return none;
  return (sc_order){.outputs = s->outputs,
                    .inputs = s->inputs,
                    .taps = s->kernel * s->kernel,
                    .lanes = lanes,
                    .rows = rows,
                    .lane_stride = stride[laned] / width,
                    .row_stride = stride[other] / width,
                    .tap_stride = stride[3] / width,
                    .lanes_of_inputs = laned == 1,
                    .pairs = pairs};
}

int scd_convolution_create(const scd_convolution_shape *s, int what, int fused,
                           const scd_quantization *q, int threads, const scd_convolution *like,
                           scd_convolution **convolution) {
  *convolution = NULL;
  dnnl_engine_t engine = shared_engine();
  scd_convolution *c = calloc(1, sizeof *c);
  if (!c || !engine) {
    free(c);
    return dnnl_out_of_memory;
  }
  pthread_mutex_lock(&creation);
  const int former = scd_enter(threads);
  c->what = what;
  c->threads = threads;
  dnnl_status_t status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t post_ops = NULL;
  dnnl_primitive_desc_t description = NULL, hint = NULL, reorder = NULL;
  const dnnl_data_type_t type = s->type == SCD_BF16 ? dnnl_bf16 : dnnl_f32;
  const dnnl_data_type_t weight_type = q ? dnnl_s8 : what == SCD_WEIGHT_GRADIENT ? dnnl_f32 : type;
  const dnnl_dims_t x_dims = {s->images, s->inputs, s->height, s->width},
                    y_dims = {s->images, s->outputs, s->out_height, s->out_width};
  /* Grouped weights have a leading dimension: [groups, outputs / groups, inputs / groups, kernel,
   * kernel], which lies in memory like the plain ones. */
  const int grouped = s->groups > 1, w_rank = grouped ? 5 : 4;
  const dnnl_dims_t grouped_dims = {s->groups, s->outputs / s->groups, s->inputs / s->groups,
                                    s->kernel, s->kernel};
  const dnnl_dims_t plain_dims = {s->outputs, s->inputs, s->kernel, s->kernel},
                    bias_dims = {s->outputs};
  const int64_t *w_dims = grouped ? grouped_dims : plain_dims;
  const dnnl_dims_t strides = {s->stride, s->stride}, padding = {s->padding, s->padding};
  const dnnl_data_type_t x_type = !q            ? type
                                  : q->x_signed ? dnnl_s8
                                                : dnnl_u8,
                         y_type = !q            ? type
                                  : q->y_signed ? dnnl_s8
                                                : dnnl_u8;
  const dnnl_data_type_t residual_type = !q                   ? dnnl_data_type_undef
                                         : q->residual_signed ? dnnl_s8
                                                              : dnnl_u8;
  const float residual_scale = q ? q->residual_scale : 1;
  md_own x = NO_MD, w = NO_MD, any_w = NO_MD, bias = NO_MD, y = NO_MD, plain = NO_MD;
  TRY(MAKE_MD(x, 4, x_dims, x_type, dnnl_nhwc));
  TRY(MAKE_MD(y, 4, y_dims, y_type, dnnl_nhwc));
  TRY(MAKE_MD(w, w_rank, w_dims, weight_type, dnnl_format_tag_any));
  TRY(MAKE_MD(any_w, w_rank, w_dims, type, dnnl_format_tag_any));
  TRY(MAKE_MD(plain, w_rank, w_dims, dnnl_f32, grouped ? dnnl_goihw : dnnl_oihw));
  TRY(MAKE_MD(bias, 1, bias_dims, dnnl_f32, dnnl_x));
  TRY(dnnl_primitive_attr_create(&attributes));
  TRY(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
  if (q) TRY(set_scales(c, q, s->outputs, grouped, attributes));
  if (fused) {
    TRY(dnnl_post_ops_create(&post_ops));
#if DNNL_VERSION_MAJOR >= 3
    if (fused & SCD_ADD_TO_OUTPUT)
      TRY(dnnl_post_ops_append_sum(post_ops, residual_scale, 0, residual_type));
    if (fused & SCD_RELU) TRY(dnnl_post_ops_append_eltwise(post_ops, dnnl_eltwise_relu, 0, 0));
#else
    if (fused & SCD_ADD_TO_OUTPUT)
      TRY(dnnl_post_ops_append_sum_v2(post_ops, residual_scale, residual_type));
    if (fused & SCD_RELU) TRY(dnnl_post_ops_append_eltwise(post_ops, 1, dnnl_eltwise_relu, 0, 0));
#endif
    TRY(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
  }
  if (what == SCD_INPUT_GRADIENT || what == SCD_WEIGHT_GRADIENT)
    TRY(describe(SCD_FORWARD, VIEW(x), VIEW(any_w), NULL, VIEW(y), strides, padding, NULL, NULL,
                 &hint));
  md_view w_view = VIEW(w);
  if (like) TRY(dnnl_memory_get_memory_desc(like->weights, &w_view));
  TRY(describe(what, VIEW(x), w_view, what == SCD_INFERENCE ? VIEW(bias) : NULL, VIEW(y), strides,
               padding, attributes, hint, &description));
  TRY(dnnl_primitive_create(&c->run, description));
  TRY(dnnl_stream_create(&c->stream, engine, dnnl_stream_default_flags));

  md_view packed = dnnl_primitive_desc_query_md(
      description, what == SCD_WEIGHT_GRADIENT ? dnnl_query_diff_weights_md : dnnl_query_weights_md,
      0);
  md_view scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
  c->packed_bytes = dnnl_memory_desc_get_size(packed);
  c->scratch_bytes = dnnl_memory_desc_get_size(scratch);
  TRY(dnnl_memory_create(&c->x, VIEW(x), engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->y, VIEW(y), engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->weights, packed, engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->bias, VIEW(bias), engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->plain, VIEW(plain), engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->scratch, scratch, engine, DNNL_MEMORY_NONE));
  const int unpacks = what == SCD_WEIGHT_GRADIENT;
  if (!unpacks) c->order = order_of(packed, s);
  TRY(dnnl_reorder_primitive_desc_create(&reorder, unpacks ? packed : VIEW(plain), engine,
                                         unpacks ? VIEW(plain) : packed, engine, NULL));
  TRY(dnnl_primitive_create(&c->reorder, reorder));

cleanup:
  if (description) dnnl_primitive_desc_destroy(description);
  if (hint) dnnl_primitive_desc_destroy(hint);
  if (reorder) dnnl_primitive_desc_destroy(reorder);
  if (post_ops) dnnl_post_ops_destroy(post_ops);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  FREE_MD(x), FREE_MD(w), FREE_MD(any_w), FREE_MD(bias), FREE_MD(y), FREE_MD(plain);
  scd_leave(former);
  pthread_mutex_unlock(&creation);
  if (status == dnnl_success) *convolution = c;
  else scd_convolution_free(c);
  return status;
}

/* Makes memory of the same description, which points nowhere yet. */
static dnnl_status_t like_memory(dnnl_memory_t of, dnnl_memory_t *made) {
  md_view view;
  const dnnl_status_t status = dnnl_memory_get_memory_desc(of, &view);
  return status != dnnl_success ? status
                                : dnnl_memory_create(made, view, shared_engine(), DNNL_MEMORY_NONE);
}

static dnnl_status_t like_primitive(dnnl_primitive_t of, dnnl_primitive_t *made) {
  const_dnnl_primitive_desc_t description;
  const dnnl_status_t status = dnnl_primitive_get_primitive_desc(of, &description);
  return status != dnnl_success ? status : dnnl_primitive_create(made, description);
}

int scd_convolution_copy(const scd_convolution *of, scd_convolution **convolution) {
  *convolution = NULL;
  scd_convolution *c = calloc(1, sizeof *c);
  if (!c) return dnnl_out_of_memory;
  c->what = of->what;
  c->threads = of->threads;
  c->outputs = of->outputs;
  c->packed_bytes = of->packed_bytes;
  c->scratch_bytes = of->scratch_bytes;
  c->order = of->order;
  pthread_mutex_lock(&creation);
  const int former = scd_enter(c->threads);
  dnnl_status_t status = dnnl_success;
  TRY(like_primitive(of->run, &c->run));
  TRY(like_primitive(of->reorder, &c->reorder));
  TRY(dnnl_stream_create(&c->stream, shared_engine(), dnnl_stream_default_flags));
  TRY(like_memory(of->x, &c->x));
  TRY(like_memory(of->y, &c->y));
  TRY(like_memory(of->weights, &c->weights));
  TRY(like_memory(of->bias, &c->bias));
  TRY(like_memory(of->plain, &c->plain));
  TRY(like_memory(of->scratch, &c->scratch));
  if (of->scales) {
    c->scales = malloc((size_t)of->outputs * sizeof *c->scales);
    if (!c->scales) status = dnnl_out_of_memory;
    else memcpy(c->scales, of->scales, (size_t)of->outputs * sizeof *c->scales);
    if (status == dnnl_success && of->scale_memory) {
      TRY(like_memory(of->scale_memory, &c->scale_memory));
      TRY(dnnl_memory_set_data_handle(c->scale_memory, c->scales));
    }
  }

cleanup:
  scd_leave(former);
  pthread_mutex_unlock(&creation);
  if (status == dnnl_success) *convolution = c;
  else scd_convolution_free(c);
  return status;
}

size_t scd_convolution_packed_bytes(const scd_convolution *c) { return c->packed_bytes; }
size_t scd_convolution_scratch_bytes(const scd_convolution *c) { return c->scratch_bytes; }

static int reorder(scd_convolution *c, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  const scd_signals former = scd_hold_signals();
  const int status = dnnl_primitive_execute(c->reorder, c->stream, 2, arguments);
  scd_release_signals(former);
  return status;
}

int scd_convolution_packs_parts(const scd_convolution *c) { return c->order.lanes > 0; }

int scd_convolution_pack(scd_convolution *c, const float *weights, void *packed, int part,
                         int parts) {
  if (c->order.lanes) {
    sc_pack(&c->order, weights, packed, part, parts);
    return dnnl_success;
  }
  dnnl_memory_set_data_handle(c->plain, (void *)weights);
  dnnl_memory_set_data_handle(c->weights, packed);
  return reorder(c, c->plain, c->weights);
}

int scd_convolution_unpack(scd_convolution *c, const void *packed, float *weights) {
  dnnl_memory_set_data_handle(c->weights, (void *)packed);
  dnnl_memory_set_data_handle(c->plain, weights);
  return reorder(c, c->weights, c->plain);
}

void scd_convolution_prepare_bias(const scd_convolution *c, float *bias) {
#if DNNL_VERSION_MAJOR < 3
  /* 2.x adds it before scaling. */
  for (int64_t o = 0; o < c->outputs; o++) bias[o] /= c->scales[o];
#else
  (void)c, (void)bias;
#endif
}

int scd_convolution_run(scd_convolution *c, void *x, void *weights, const float *bias, void *y,
                        void *scratch) {
  dnnl_memory_set_data_handle(c->x, x);
  dnnl_memory_set_data_handle(c->y, y);
  dnnl_memory_set_data_handle(c->weights, weights);
  dnnl_memory_set_data_handle(c->bias, (void *)bias);
  dnnl_memory_set_data_handle(c->scratch, scratch);
  static const int x_argument[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC};
  static const int w_argument[] = {DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS,
                                   DNNL_ARG_WEIGHTS};
  static const int y_argument[] = {DNNL_ARG_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST,
                                   DNNL_ARG_DST};
  const dnnl_exec_arg_t arguments[] = {
      {x_argument[c->what], c->x}, {w_argument[c->what], c->weights},
      {y_argument[c->what], c->y}, {DNNL_ARG_SCRATCHPAD, c->scratch},
      {DNNL_ARG_BIAS, c->bias},    {SCALES_ARGUMENT, c->scale_memory}};
  const scd_signals former = scd_hold_signals();
  const int status = dnnl_primitive_execute(c->run, c->stream,
                                            c->what != SCD_INFERENCE ? 4
                                            : c->scale_memory        ? 6
                                                                     : 5,
                                            arguments);
  scd_release_signals(former);
  return status;
}
#endif
