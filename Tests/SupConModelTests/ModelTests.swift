import Foundation
import SupConNetwork
import SupConTensor
import TestSupport
import Testing

@testable import SupConModel

@Suite struct ModelTests {
    @Test func hasTheHeadersDefaults() throws {
        let options = ModelOptions()
        #expect(
            options.stem == nil && options.architecture == .resnet18 && options.width == 64
                && options.channels == 3 && options.imageHeight == 32 && options.imageWidth == 32)
        #expect(
            options.zeroInitLastGamma == nil && options.head == .mlp && options.headHidden == 0
                && options.projectionDimension == 128 && options.classes == 0
                && options.precision == nil)
        #expect(
            options.mean == [0.5, 0.5, 0.5, 0.5] && options.std == [0.25, 0.25, 0.25, 0.25]
                && options.seed == 0)
        #expect(options.configuration.stem == .cifar)
    }

    /// Bottleneck blocks have three convolutions, which torchvision names by number.
    @Test(arguments: Architecture.allCases)
    func choosesTheBeginningOfBlocksByTheirKind(_ architecture: Architecture) throws {
        for (chosen, expected) in [(Bool?.none, nil), (true, true), (false, false)] {
            var options = ModelOptions()
            (options.architecture, options.width) = (architecture, 16)
            options.zeroInitLastGamma = chosen
            let parameters = try Network(options.configuration, seed: 1).parameters
            let hasBottlenecks = parameters.entry(named: "layer1.0.conv3.weight") != nil
            let gamma = try #require(
                parameters.entry(named: "layer4.0.bn\(hasBottlenecks ? 3 : 2).weight"))
            let isZero = expected ?? hasBottlenecks
            #expect(options.configuration.zeroInitLastGamma == isZero)
            for index in 0..<gamma.count {
                #expect(parameters.pointer(gamma)[index] == (isZero ? 0 : 1))
            }
        }
    }

    @Test func choosesTheStemByTheSize() throws {
        func stem(_ height: Int, _ width: Int, _ chosen: Stem? = nil) throws -> Stem {
            try Model.tiny {
                ($0.imageHeight, $0.imageWidth, $0.stem, $0.width) = (height, width, chosen, 1)
            }.configuration.stem
        }
        #expect(try stem(64, 64) == .cifar)
        #expect(try stem(64, 65) == .imagenet)
        #expect(try stem(65, 1) == .imagenet)
        #expect(try stem(224, 224, .cifar) == .cifar)
        #expect(try stem(32, 32, .imagenet) == .imagenet)
    }

    @Test func refusesWhatTheHeaderRefuses() {
        func refuse(
            _ words: String, _ value: String, at place: SourceLocation = #_sourceLocation,
            _ change: (inout ModelOptions) -> Void
        ) {
            expectError(.argument, words, value, sourceLocation: place) {
                _ = try Model.tiny(change)
            }
        }
        refuse("channels is 5", "1 to 4") { $0.channels = 5 }
        refuse("channels is 0", "1 to 4") { $0.channels = 0 }
        refuse("width is 0", "1 to 1024") { $0.width = 0 }
        refuse("image_height is 0", "1 to 65536") { $0.imageHeight = 0 }
        refuse("image_width is -3", "1 to 65536") { $0.imageWidth = -3 }
        refuse("head_hidden is -1", "65536") { $0.headHidden = -1 }
        refuse("projection_dim is 0", "1 to 65536") { $0.projectionDimension = 0 }
        refuse("classes is -1", "1000000") { $0.classes = -1 }
        refuse("mean of channel 1 is nan", "finite") { $0.mean[1] = .nan }
        refuse("std of channel 2 is 0", "1e-6") { $0.std[2] = 0 }
        refuse("std of channel 0 is -1", "1e-6") { $0.std[0] = -1 }
        refuse("std of channel 0 is inf", "1e-6") { $0.std[0] = .infinity }
        refuse("mean has 2 values", "3 channels") { $0.mean = [0, 0] }
        // Of channels that the images do not have nothing is asked.
        #expect(throws: Never.self) { try Model.tiny { $0.std[3] = 0 } }
    }

    @Test func refusesModelsLargerThanMemory() {
        expectError(.memory, "resnet200", "parameters", "MB") {
            _ = try Model.tiny {
                ($0.architecture, $0.width, $0.classes) = (.resnet200, 1024, 1_000_000)
            }
        }
    }

    @Test func tellsDimensions() throws {
        let model = try Model.tiny { $0.classes = 7 }
        #expect(EmbedOutput.allCases.map(model.outputDimension) == [32, 6, 7, 7])
        #expect(
            EmbedOutput.allCases.map(try Model.tiny { $0.head = .none }.outputDimension) == [
                32, 0, 0, 0,
            ])
    }

    // MARK: together or alone

    @Test func letsNobodyInWhileExclusive() throws {
        let model = try Model.tiny(), images = Images(2), folder = try Folder()
        try model.alone {
            expectError(.state, "trained") { _ = try model.rows(images) }
            expectError(.state, "trained") { try model.save(folder.file("a")) }
            expectError(.state, "trained") { try model.shared {} }
            expectError(.state, "already") { try model.exclusive {} }
        }
        #expect(folder.contents == [])
        #expect(throws: Never.self) { try model.rows(images) }
    }

    @Test func refusesExclusiveUseWhileOthersRead() throws {
        let model = try Model.tiny()
        try model.shared { () throws(SupConError) in
            try model.shared { expectError(.state, "2 other calls") { try model.exclusive {} } }
            expectError(.state, "1 other call;") { try model.exclusive {} }
        }
        #expect(try model.exclusive { 5 } == 5)
    }

    @Test func isFreeAgainAfterAnError() throws {
        let model = try Model.tiny()
        expectError(.canceled, "enough") {
            try model.exclusive { () throws(SupConError) in throw SupConError(.canceled, "enough")
            }
        }
        expectError(.canceled, "enough") {
            try model.shared { () throws(SupConError) in throw SupConError(.canceled, "enough") }
        }
        #expect(try model.exclusive { true })
    }

    @Test func changesOnlyInsideExclusive() throws {
        let model = try Model.tiny()
        let snapshot = try model.snapshot()
        expectError(.state, "exclusive") { try model.setClasses(3, names: [], seed: 0) }
        expectError(.state, "exclusive") { try model.restore(snapshot) }
        expectError(.state, "exclusive") { try model.saveWhileExclusive("/nowhere") }
    }

    @Test func embedsWithTheParametersAsTheyAre() throws {
        let model = try Model.tiny(), images = Images(3)
        let before = try model.rows(images)
        let snapshot = try model.snapshot()
        try model.alone {
            fill(model.network)
        }
        let after = try model.rows(images)
        #expect(difference(before, after) > 0.01)
        try model.alone { try model.restore(snapshot) }
        #expect(try model.rows(images) == before)
    }

    @Test func replacesTheClassifierAlone() throws {
        let model = try Model.tiny { $0.classes = 2 }, images = Images(3)
        fill(model.network)
        let features = try model.rows(images)
        let old = try model.snapshot()
        try model.alone {
            expectError(.argument, "2 class names for 3 classes") {
                try model.setClasses(3, names: ["a", "b"], seed: 1)
            }
            try model.setClasses(3, names: ["a", "b", "ü"], seed: 1)
            expectError(.state, "head or classifier was replaced") { try model.restore(old) }
        }
        #expect(
            model.classNames == ["a", "b", "ü"] && model.configuration.classes == 3
                && model.outputDimension(.logits) == 3)
        #expect(try model.rows(images) == features)
        #expect(try model.rows(images, EmbedOptions(output: .logits)).allSatisfy { $0.count == 3 })
        try model.alone { try model.setClasses(0, names: [], seed: 1) }
        expectError(.state, "no classifier") {
            _ = try model.rows(images, EmbedOptions(output: .logits))
        }
    }

    @Test func replacesTheHeadAlone() throws {
        let model = try Model.tiny { ($0.head, $0.classes, $0.seed) = (.none, 2, 5) }
        let images = Images(3), logits = EmbedOptions(output: .logits)
        let (features, classes) = (try model.rows(images), try model.rows(images, logits))
        let projected = EmbedOptions(output: .projection)
        expectError(.state, "no projection head") { _ = try model.rows(images, projected) }
        for head in HeadKind.allCases where head != .none {
            try model.resetHead(head, hidden: 12, projectionDimension: 6, seed: 5)
            let whole = try Model.tiny {
                ($0.head, $0.headHidden, $0.projectionDimension) = (head, 12, 6)
                ($0.classes, $0.seed) = (2, 5)
            }
            #expect(try model.rows(images, projected) == whole.rows(images, projected))
            #expect(try model.rows(images) == features)
            #expect(try model.rows(images, logits) == classes)
        }
        let before = try model.rows(images, projected)
        try model.resetHead(.mlp3BN, hidden: 12, projectionDimension: 6, seed: 6)
        #expect(difference(try model.rows(images, projected), before) > 0.01)
        expectError(.argument, "projection_dim is 0") {
            try model.resetHead(.mlp, projectionDimension: 0)
        }
        #expect(model.configuration.head == .mlp3BN)
        try model.resetHead(.none)
        #expect(model.outputDimension(.projection) == 0)
    }

    @Test func namesTheVersionOfTheHeader() throws {
        let header = try String(
            contentsOfFile: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../include/supcon.h").path, encoding: .utf8)
        let numbers = try ["MAJOR", "MINOR", "PATCH"].map {
            try #require(
                header.firstMatch(of: try Regex("#define SUPCON_VERSION_\($0) ([0-9]+)"))?[1]
                    .substring)
        }
        #expect(Library.version == numbers.joined(separator: "."))
    }
}

/// Tests the log messages of models.
@Suite struct ModelLogTests {
    @Test func tellsTheStemThatItChose() throws {
        let said = try loggedMessages(.info) {
            _ = try Model.tiny { ($0.imageHeight, $0.imageWidth) = (17, 19) }
        }
        #expect(said.contains { $0.contains("CIFAR") && $0.contains("17×19") })
    }

    @Test func warnsOfLargeImagesWithTheCIFARStem() throws {
        let said = try loggedMessages(.warning) {
            _ = try Model.tiny { ($0.imageHeight, $0.imageWidth, $0.stem) = (225, 223, .cifar) }
        }
        #expect(said.contains { $0.contains("225×223") && $0.contains("16 times") })
        #expect(
            try !loggedMessages(.warning) {
                _ = try Model.tiny { ($0.imageHeight, $0.imageWidth, $0.stem) = (63, 61, .cifar) }
            }.contains { $0.contains("63×61") })
    }
}
