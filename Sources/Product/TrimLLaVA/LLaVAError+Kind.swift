// SPDX-License-Identifier: Apache-2.0
import GGUF
import Generation
import Imaging
import Kernels
import TokenPruning
import Tokenization
import Weights

extension LLaVAError {
    /// What can be done about an error.
    public enum Kind: String, Sendable, CaseIterable {
        /// A file, a picture, a prompt or an option is wrong: give another one.
        case badInput
        /// A prompt or a picture is too large: give a smaller one, or allow more.
        case tooLong
        /// It is valid, but the library does not compute it.
        case unsupported
        /// The system does not grant the memory.
        case outOfMemory
        /// It was stopped.
        case cancelled
        /// The queue is full: ask again later.
        case busy
        /// The library has a fault.
        case `internal`
    }

    /// What can be done about it.
    public var kind: Kind {
        switch self {
        case .file(let error): error.kind
        case .model(let error): error.kind
        case .tokenization(let error): error.kind
        case .picture(let error): error.kind
        case .generation(let error): error.kind
        case .kernels(.unknownTable): .badInput
        case .other: .internal
        }
    }
}

extension GGUFError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .bigEndian, .unsupportedVersion, .unsupportedTensorType: .unsupported
        case .unreadable, .notGGUF, .truncated, .malformed, .split, .missingKey, .wrongType,
            .missingTensor:
            .badInput
        }
    }
}

extension ModelError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .file(let error): error.kind
        case .unsupported, .cacheFormatMismatch, .cannotCrop, .noVideos: .unsupported
        case .outOfCachePages: .tooLong
        case .cacheTooLarge, .noMemory, .weightsTooLarge, .groupTooSmall: .outOfMemory
        case .cancelled: .cancelled
        case .invalidValue, .contextOutOfRange, .missingTensor, .wrongShape, .mismatchedPair,
            .exchangedFiles, .notTextModel, .notProjector, .noProjector, .weightNotFinite,
            .notFinite:
            .badInput
        }
    }
}

extension TokenizationError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .metadata(let error): error.kind
        case .unsupported: .unsupported
        case .lengthMismatch, .malformed, .tokenOutOfRange, .duplicate, .unknownTemplate,
            .templateNeedsToken, .pictureCount:
            .badInput
        }
    }
}

extension ImagingError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .unsupported: .unsupported
        case .fileTooLong, .tooLarge: .tooLong
        case .noMemory: .outOfMemory
        case .encoding: .internal
        case .unreadable, .empty, .unknownFormat, .notPicture, .truncated, .damaged, .preprocessor,
            .unwritable:
            .badInput
        }
    }
}

extension GenerationError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .model(let error): error.kind
        case .pruning(let error): error.kind
        case .picture(let error): error.kind
        case .promptTooLong, .positionsTooLarge: .tooLong
        case .queueFull, .closed: .busy
        case .emptyPrompt, .pictureMismatch, .vocabularyMismatch, .invalidOption: .badInput
        }
    }
}

extension PruningError {
    fileprivate var kind: LLaVAError.Kind {
        switch self {
        case .noMemory: .outOfMemory
        case .missingInput, .missingForMerging: .unsupported
        case .shapeMismatch: .internal
        case .unknownSelector, .invalidBudget, .invalidOption, .keepsNothing, .notFinite: .badInput
        }
    }
}
