import SupConTensor

/// A planned layer is a layer of a graph together with the resources that a plan has laid out for
/// it. Plans for training and for inference differ in the slots of their layers; every slot that a
/// layer needs exists.
enum PlannedLayer<ConvolutionSlots, PoolSlots> {
    case convolution(PlannedConvolution, ConvolutionSlots)
    case maxPool(PlannedMaxPool, PoolSlots)
}

/// A planned convolution is a convolution and the batch norm after it, with its shape, its
/// parameters and the engine's primitive.
struct PlannedConvolution {
    let layer: ComputeGraph.ConvolutionNorm
    let shape: ConvolutionShape
    let purpose: ConvolutionPurpose
    let parameters: ConvolutionNormEntries
    let convolution: any Convolution

    /// Makes the primitive. Errors: unsupported, memory.
    init(
        _ layer: ComputeGraph.ConvolutionNorm, in graph: ComputeGraph, images: Int,
        _ parameters: ConvolutionNormEntries, _ purpose: ConvolutionPurpose, engine: Engine,
        type: ElementType, threads: Int
    ) throws(SupConError) {
        (self.layer, self.parameters, self.purpose) = (layer, parameters, purpose)
        shape = ConvolutionShape(layer, in: graph, images: images)
        convolution = try engine.convolution(shape, purpose, type: type, threads: threads)
    }
}

/// A planned max pool, given by the indices of its values in the graph.
struct PlannedMaxPool {
    let input: Int
    let output: Int
}

/// The parameters of a batch norm.
struct NormEntries {
    let gamma, beta, runningMean, runningVariance: ParameterStore.Entry
}

/// The parameters of a convolution and of the batch norm after it.
struct ConvolutionNormEntries {
    let weight: ParameterStore.Entry
    let norm: NormEntries
}

extension ParameterStore {
    /// Returns the parameter of a name that the graph or the head has declared. Errors: internal
    /// (there is none of that name).
    package func declared(_ name: String) throws(SupConError) -> Entry {
        guard let entry = entry(named: name) else {
            throw SupConError(.internal, "the network has no parameter \(name)")
        }
        return entry
    }

    /// Returns the parameters of the batch norm of a name. Errors: internal.
    func norm(_ name: String) throws(SupConError) -> NormEntries {
        NormEntries(
            gamma: try declared(name + ".weight"), beta: try declared(name + ".bias"),
            runningMean: try declared(name + ".running_mean"),
            runningVariance: try declared(name + ".running_var"))
    }

    /// Returns the parameters of a layer. Errors: internal.
    func convolutionNorm(_ layer: ComputeGraph.ConvolutionNorm) throws(SupConError)
        -> ConvolutionNormEntries
    {
        ConvolutionNormEntries(
            weight: try declared(layer.convolutionName + ".weight"),
            norm: try norm(layer.normName))
    }

    /// Returns pointers to the parameters of a batch norm, and to their gradients in `gradients`.
    func pointers(_ norm: NormEntries, gradients: UnsafeMutablePointer<Float>)
        -> BatchNorm.Parameters
    {
        BatchNorm.Parameters(
            gamma: pointer(norm.gamma), beta: pointer(norm.beta),
            runningMean: pointer(norm.runningMean),
            runningVariance: pointer(norm.runningVariance),
            gammaGradient: gradients + norm.gamma.offset,
            betaGradient: gradients + norm.beta.offset)
    }
}
