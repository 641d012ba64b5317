import SupConTensor

extension Dataset {
    /// Returns a data set of the images at `indices`, in that order, copied into memory now, on
    /// this thread; a callback is called once. Labels, targets and class names are kept. Errors:
    /// argument (an index out of range), memory, canceled (by a callback, or the context), io,
    /// format (a file that has become unreadable).
    package func materialize(_ indices: [Int], context: ExecutionContext = .default)
        throws(SupConError) -> Dataset
    {
        let gate = DecodeGate(context)
        try checkIndices(indices)
        if case .joined(let joined) = source {
            var local: [Int] = []
            for index in indices { local.append(try joined.local(sourceIndex(index))) }
            return described(
                by: try joined.own.materialize(local, context: context).source, indices)
        }
        let element: ImageView.Element =
            if case .batch(let batch, _) = source { batch.element } else { .u8 }
        var images: [ImageSource.PlacedImage] = []
        images.reserveCapacity(indices.count)
        var total = 0
        for index in indices {
            let size = source.size(sourceIndex(index))
            images.append(.init(offset: total, height: size.height, width: size.width))
            // One image has at most 2³⁶ bytes, so its product cannot overflow, but the sum can.
            let (sum, overflow) = total.addingReportingOverflow(
                size.height * size.width * channels * element.byteCount)
            try require(!overflow, .memory, "\(indices.count) images are larger than memory")
            total = sum
        }
        if total > 1 << 20 {
            try context.checkMemory(total, for: "a copy of \(indices.count) images")
        }
        let memory = try AlignedBuffer(byteCount: total)

        if case .callback(let callback) = source {
            if !indices.isEmpty {
                try callback.call(indices.map(sourceIndex), memory.values(of: UInt8.self))
            }
        } else {
            let reader = ImageReader(self, gate)
            for (image, index) in zip(images, indices) {
                try gate.watch.check()
                _ = try reader.open(index)
                try reader.pixels(atLeast: 1).copyDense(to: memory.pointer + image.offset)
            }
        }
        let copied: ImageSource =
            if let height, let width {
                .batch(
                    ImageBatch(
                        dense: memory.pointer, element: element, count: indices.count,
                        height: height, width: width, channels: channels),
                    owner: memory)
            } else {
                .ragged(images, channels: channels, memory: memory)
            }
        return described(by: copied, indices)
    }

    /// Returns a data set of `source`, which holds the images at `indices`.
    private func described(by source: ImageSource, _ indices: [Int]) -> Dataset {
        Dataset(
            source: source, labels: labels.map { all in indices.map { all[$0] } },
            targets: targets?.picked(indices),
            weights: weights.map { all in indices.map { all[$0] } }, classTable: classTable,
            channels: channels)
    }
}
