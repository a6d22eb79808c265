// SPDX-License-Identifier: Apache-2.0
import GGUF
import Generation
import Imaging
import Kernels
import TokenPruning
import Tokenization
import Weights

/// Why a model cannot be loaded or a question not be answered: the error of the part that says so.
///
/// `kind` says what to do about it, and `description` tells a person what is wrong, where, and what was expected.
public enum LLaVAError: Error, Equatable, CustomStringConvertible {
    /// A GGUF file cannot be read.
    case file(GGUFError)
    /// The files do not make a model that runs, or it computed nonsense.
    case model(ModelError)
    /// The vocabulary is damaged, or the prompt cannot be written with it.
    case tokenization(TokenizationError)
    /// A picture cannot be read.
    case picture(ImagingError)
    /// The prompt does not fit, or an option is out of range.
    case generation(GenerationError)
    /// No such kernels on this processor.
    case kernels(KernelError)
    /// What no part is known to say, in its words.
    case other(String)

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .file(let error): "\(error)"
        case .model(let error): "\(error)"
        case .tokenization(let error): "\(error)"
        case .picture(let error): "\(error)"
        case .generation(let error): "\(error)"
        case .kernels(let error): "\(error)"
        case .other(let text): text
        }
    }

    /// Wraps the error of one of the parts; any other becomes `.other`.
    package init(_ error: any Error) {
        switch error {
        case let error as GGUFError: self = .file(error)
        case let error as ModelError: self = .model(error)
        case let error as TokenizationError: self = .tokenization(error)
        case let error as ImagingError: self = .picture(error)
        case GenerationError.picture(let error): self = .picture(error)
        case let error as GenerationError: self = .generation(error)
        case let error as PruningError: self = .generation(.pruning(error))
        case let error as KernelError: self = .kernels(error)
        case let error as LLaVAError: self = error
        default: self = .other("\(error)")
        }
    }
}
