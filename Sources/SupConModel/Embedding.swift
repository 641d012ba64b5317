import SupConNetwork
import SupConTensor
import SupConVision

extension Model {
    /// Embeds images to `rows` [count, outputDimension]. Any number of threads may embed at once.
    /// Errors: argument, shape, state (no such output; training), memory, after which nothing has
    /// been written; canceled.
    package func embed(
        _ images: ImageBatch, _ options: EmbedOptions = EmbedOptions(),
        into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try shared { () throws(SupConError) in try run(images, options, rows) }
    }

    /// Embeds all images of a data set, in their order, to `rows` [count, outputDimension]. Errors:
    /// those of a batch; io and format (a file that has become unreadable), canceled (by a
    /// callback, or the context).
    package func embed(
        _ dataset: Dataset, _ options: EmbedOptions = EmbedOptions(),
        into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try shared { () throws(SupConError) in try run(dataset, options, rows) }
    }

    /// Embeds within `exclusive`, for a caller that has exclusive use of the model, with the
    /// current parameters.
    package func embedWhileExclusive(
        _ dataset: Dataset, _ options: EmbedOptions = EmbedOptions(),
        into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try requireExclusive("embedding while training")
        plans.weightsChanged()
        try run(dataset, options, rows)
    }

    // MARK: sources

    private func run(
        _ images: ImageBatch, _ options: EmbedOptions, _ rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try images.validate()
        try images.checkValues(warns: false)
        try checkChannels(images.channels)
        let team = try ImageTeam(self, count: images.count)
        let mayFail = images.height != imageHeight || images.width != imageWidth
        try run(images.count, options, rows, mayFail: mayFail) {
            (range, input) throws(SupConError) in try team.read(range, of: images, to: input)
        }
    }

    private func run(
        _ dataset: Dataset, _ options: EmbedOptions, _ rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try checkChannels(dataset.channels)
        let team = try ImageTeam(
            self, dataset.needsCallingThread ? nil : dataset, count: dataset.count)
        try run(dataset.count, options, rows, mayFail: true) { (range, input) throws(SupConError) in
            try read(dataset, range, to: input, team)
        }
    }

    /// Reads images of a data set in the form that the network takes; `team` is one that is kept.
    /// Errors: those of the first image that cannot be read.
    func read(
        _ dataset: Dataset, _ range: Range<Int>, to input: UnsafeMutablePointer<Float>,
        _ team: ImageTeam? = nil
    ) throws(SupConError) {
        if dataset.needsCallingThread {
            let batch = try dataset.materialize(Array(range), context: context)
            try ImageTeam(self, batch, count: batch.count).read(0..<batch.count, to: input)
        } else {
            let team =
                if let team { team } else { try ImageTeam(self, dataset, count: range.count) }
            try team.read(range, to: input)
        }
    }

    /// Throws unless the number of channels is the model's. Errors: shape.
    func checkChannels(_ found: Int) throws(SupConError) {
        try require(
            found == channels, .shape,
            """
            images have \(found) \(found == 1 ? "channel" : "channels"), but the model is \
            made for \(channels)
            """
        )
    }

    // MARK: passes

    /// Embeds `count` images, which `fill` writes to a plan's input, range by range. If it may fail
    /// half-way, rows are first written to memory of the library's own, so that the caller's stays
    /// unchanged. Errors: argument, state, memory, and those of `fill`.
    private func run(
        _ count: Int, _ options: EmbedOptions, _ rows: UnsafeMutablePointer<Float>, mayFail: Bool,
        fill: (Range<Int>, UnsafeMutablePointer<Float>) throws(SupConError) -> Void
    ) throws(SupConError) {
        let dimension = try Self.check(options, configuration)
        let (elements, overflow) = count.multipliedReportingOverflow(by: dimension)
        try require(
            !overflow && elements <= Int.max / 4, .shape,
            "\(count) rows of \(dimension) numbers are larger than memory")
        guard mayFail else { return try pass(count, options, rows, fill) }
        try context.checkMemory(elements * 4, for: "a copy of the embeddings of \(count) images")
        let memory = try AlignedBuffer(Float.self, count: elements)
        try pass(count, options, memory.floats, fill)
        rows.update(from: memory.floats, count: elements)
    }

    /// Flips images of the model's size [images, height, width, channels] left to right.
    private func flip(_ pixels: UnsafeMutablePointer<Float>, images: Int) {
        let width = imageWidth * channels
        Parallel.ranges(images * imageHeight, grain: 64, threads: context.threads) { rows in
            for row in rows {
                let row = UnsafeMutableBufferPointer(start: pixels + row * width, count: width)
                for left in 0..<imageWidth / 2 {
                    let right = imageWidth - 1 - left
                    for channel in 0..<channels {
                        row.swapAt(left * channels + channel, right * channels + channel)
                    }
                }
            }
        }
    }

    private func pass(
        _ count: Int, _ options: EmbedOptions, _ rows: UnsafeMutablePointer<Float>,
        _ fill: (Range<Int>, UnsafeMutablePointer<Float>) throws(SupConError) -> Void
    ) throws(SupConError) {
        let (network, quantization) = (network, quantization)
        let watch = context.watch()
        let output = OutputRows(
            options: options, dimension: try Self.check(options, network.configuration))
        var batches = BatchSizes(
            chosen: options.batchSize, pixels: imageHeight * imageWidth, threads: context.threads)
        var done = 0
        while done < count {
            let size = batches.next(count - done)
            let used = min(size, count - done)
            do throws(SupConError) {
                try plans.withPlan(images: size) { () throws(SupConError) in
                    try InferencePlan(
                        network, images: size, height: imageHeight, width: imageWidth,
                        precision: precision, quantization: quantization, context: context,
                        watch: watch)
                } _: { plan throws(SupConError) in
                    try watch.check()
                    try fill(done..<(done + used), plan.input)
                    if options.flip { flip(plan.input, images: used) }
                    try watch.check()
                    try output.compute(
                        used, by: plan, to: rows + done * output.dimension, watch: watch)
                }
                done += used
            } catch {
                // A size that the library has chosen is replaced by a smaller one.
                guard error.kind == .memory, options.batchSize == 0 || size < options.batchSize,
                    batches.giveUp(size)
                else { throw error }
            }
        }
    }
}
