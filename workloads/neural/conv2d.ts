import { BitfleetError } from '../../shared/errors.ts'
import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { drawnOperand, givenOperand } from '../operand.ts'
import { dataParam, dtypeParam, extentParam, inputParam, refuseBeside, strictParams } from '../params.ts'

const params = strictParams({
  dtype: dtypeParam,
  batch: extentParam.optional().describe('Number of images; 2 if left out'),
  height: extentParam.optional().describe('Height of an image; 16 if left out'),
  width: extentParam.optional().describe('Width of an image; as its height if left out'),
  channels: extentParam.optional().describe('Channels of an image; 8 if left out'),
  kernel: extentParam.optional().describe('Height and width of the kernel; 3 if left out'),
  filters: extentParam.optional().describe('Channels of the result; 16 if left out'),
  data: dataParam.default('normal'),
  input: inputParam.optional(),
  inputB: inputParam.optional(),
})

export const conv2d = createKernelWorkload({
  id: 'nn.conv2d',
  version: 1,
  title: 'Convolution of images',
  summary:
    'Convolves images [batch, height, width, channels] (NHWC), drawn from stream `input` or given, with a kernel ' +
    '[height, width, channels, filters] (HWIO) of stream `input-b` or given; no padding, stride 1. Libraries compute it ' +
    'directly, as a matrix product or by transforms, and each has other last bits.',
  params: params
    .superRefine(refuseBeside('input', ['batch', 'height', 'width', 'channels']))
    .superRefine(refuseBeside('inputB', ['kernel', 'filters'])),
  kernel: 'conv2d',
  correctlyRounded: exactOrder,
  operands(params, find) {
    const { dtype, batch = 2, height = 16, width = height, channels = 8, kernel = 3, filters = 16, data } = params
    const x = params.input
      ? givenOperand('input', dtype, params.input, find, 4)
      : drawnOperand('input', dtype, [batch, height, width, channels], data)
    const [, imageHeight, imageWidth, depth] = x.shape as [number, number, number, number]
    const weights = params.inputB
      ? givenOperand('input-b', dtype, params.inputB, find, 4)
      : drawnOperand('input-b', dtype, [kernel, kernel, depth, filters], data)
    const [kernelHeight, kernelWidth, kernelDepth] = weights.shape as [number, number, number, number]
    if (kernelDepth !== depth) {
      throw new BitfleetError('usage', `the images have ${depth} channels and the kernel is for ${kernelDepth}`)
    }
    if (kernelHeight > imageHeight || kernelWidth > imageWidth) {
      throw new BitfleetError(
        'usage',
        `a kernel of ${kernelHeight} × ${kernelWidth} does not fit an image of ${imageHeight} × ${imageWidth}`,
      )
    }
    return [x, weights]
  },
  resultShape([x, weights]) {
    const [batch, height, width] = x.shape as [number, number, number, number]
    const [kernelHeight, kernelWidth, , filters] = weights.shape as [number, number, number, number]
    return [batch, height - kernelHeight + 1, width - kernelWidth + 1, filters]
  },
  compute: (kernels, [x, weights]) => kernels.conv2d(x, weights),
})
